//! A plain `main` adds up a vector with all workers of a pool. The tasks have parts of it by reference.
//!
//! Nothing is cloned or counted: `scope` returns when they have ended, as that of `std::thread` does.

use arborio::{Pool, yield_now};

fn main() -> std::io::Result<()> {
    let pool = Pool::builder().workers(2).start()?;
    let mut numbers: Vec<u64> = (1..=1_000_000).collect();

    let sums = pool.scope(|s| {
        let parts: Vec<_> = numbers
            .chunks(250_000)
            .map(|part| s.spawn(async { part.iter().sum::<u64>() }))
            .collect();
        // Tasks of the scope may spawn others, and await them.
        let total = s.spawn(async {
            let mut total = 0;
            for part in parts {
                total += part.await.unwrap();
            }
            total
        });
        { total }.wait().unwrap()
    });
    println!("{}", sums.unwrap());

    // Each has its part to itself.
    let doubled = pool.scope(|s| {
        for part in numbers.chunks_mut(250_000) {
            s.spawn(async move {
                part.iter_mut().for_each(|number| *number *= 2);
                yield_now().await;
            });
        }
    });
    doubled.unwrap();
    println!("{} .. {}", numbers[0], numbers[999_999]);
    Ok(())
}

// takes: 0.0s..2.0s
// prints:
// 500000500000
// 2 .. 2000000
