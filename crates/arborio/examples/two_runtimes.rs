//! A task lives on one loop, and is awaited on another loop and in tokio: it stays where it is, and
//! whoever awaits it goes on where they are.

use std::{sync::Arc, thread, time::Duration};

use arborio::{EventLoop, Task, time::sleep};

fn here() -> String {
    thread::current().name().unwrap_or("no name").to_owned()
}

async fn meet(task: Arc<Task<String>>) -> String {
    let ran_on = (&*task).await.unwrap();
    format!("it ran on {ran_on}, and I am on {}", here())
}

fn main() -> std::io::Result<()> {
    let first = EventLoop::builder().name("the first").start()?;
    let second = EventLoop::builder().name("the second").start()?;
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("tokio's")
        .build()?;

    let task = Arc::new(first.spawn(async {
        sleep(Duration::from_millis(10)).await;
        here()
    }));
    let mut in_second = second.spawn(meet(Arc::clone(&task)));
    let in_tokio = tokio.spawn(meet(task));

    println!("{}", in_second.wait().unwrap());
    println!("{}", tokio.block_on(in_tokio).unwrap());
    Ok(())
}

// prints:
// it ran on the first, and I am on the second
// it ran on the first, and I am on tokio's
