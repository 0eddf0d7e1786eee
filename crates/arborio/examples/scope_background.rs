//! A task that is not awaited ends when the others have.

use arborio::{
    Interrupt, Scope,
    time::{Duration, sleep},
};

async fn tick() {
    loop {
        println!("tick");
        sleep(Duration::from_secs(1)).await;
    }
}

async fn job() {
    sleep(Duration::from_millis(2500)).await;
    println!("the job is done");
}

fn main() {
    let ended: Result<(), Interrupt> = arborio::run(async {
        let scope = Scope::builder().name("job with a ticker");
        scope
            .run(async |s| {
                s.task().awaited(false).spawn(tick());
                s.spawn(job());
                Ok(())
            })
            .await
    });
    ended.unwrap();
}

// takes: 2.5s..3.1s
// prints:
// tick
// tick
// tick
// the job is done
