//! Locks and channels under tokio: they need no Arborio loop, only a waker.
//!
//! Run with `cargo run -p arborio-sync --example primitives_under_tokio`.

use std::sync::Arc;

use arborio_sync::{Mutex, Semaphore, mpsc};

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("two threads");
    let (total, mut squares) = runtime.block_on(square_all(100));
    squares.sort_unstable();
    let expected: Vec<u64> = (0..100).map(|number| number * number).collect();
    assert_eq!(squares, expected, "every message arrives once");
    assert_eq!(total, expected.iter().sum::<u64>());
    println!("{} squares, {total} in all", squares.len());
}

/// Squares numbers in as many tasks, of which four work at a time.
async fn square_all(count: u64) -> (u64, Vec<u64>) {
    let (sender, mut receiver) = mpsc::channel(4);
    let total = Arc::new(Mutex::new(0));
    let four = Arc::new(Semaphore::new(4));
    for number in 0..count {
        let (sender, total, four) = (sender.clone(), Arc::clone(&total), Arc::clone(&four));
        tokio::spawn(async move {
            let _permit = four.acquire().await.expect("it is not closed");
            let square = number * number;
            *total.lock().await += square;
            sender.send(square).await.expect("somebody receives");
        });
    }
    drop(sender); // the channel ends with the last task
    let mut squares = Vec::new();
    while let Some(square) = receiver.recv().await {
        squares.push(square);
    }
    (*total.lock().await, squares)
}

// prints:
// 100 squares, 328350 in all
