//! Outputs come in the order of the arguments, and the first error comes at once.

use arborio::{
    gather,
    time::{Duration, sleep},
    try_gather,
};
use std::io;

async fn fetch(page: u64, after: u64) -> io::Result<u64> {
    sleep(Duration::from_millis(after)).await;
    if page == 0 {
        return Err(io::Error::other("there is no page 0"));
    }
    println!("fetched page {page}");
    Ok(page)
}

fn main() {
    arborio::run(async {
        let pages = try_gather([fetch(1, 200), fetch(2, 100)]).await;
        println!("pages: {:?}", pages.unwrap());

        let failed = try_gather([fetch(3, 200), fetch(0, 100)]).await;
        println!("failed: {}", failed.unwrap_err());

        let (page, word) = gather!(fetch(4, 300), async { "cached" }).await.unwrap();
        println!("page {}, {word}", page.unwrap());
    });
}

// takes: 0.6s..1.2s
// prints:
// fetched page 2
// fetched page 1
// pages: [1, 2]
// failed: there is no page 0
// fetched page 3
// fetched page 4
// page 4, cached
