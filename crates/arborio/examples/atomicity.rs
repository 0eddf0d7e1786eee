//! What stands between two awaits is atomic for the other tasks of the loop:
//! the monitor never sees a batch half done.

use std::{cell::RefCell, rc::Rc};

use arborio::{
    EventLoop, spawn_local,
    time::{Clock, Duration, sleep},
};

type Values = Rc<RefCell<Vec<u32>>>;

async fn fetch(values: Values) {
    for _ in 0..5 {
        sleep(Duration::from_millis(10)).await;
        for value in 0..10 {
            values.borrow_mut().push(value);
        }
    }
}

async fn monitor(values: Values) {
    while values.borrow().len() < 50 {
        sleep(Duration::from_millis(7)).await;
        println!("{}", values.borrow().len());
    }
}

fn main() {
    EventLoop::builder().clock(Clock::simulated()).run(async {
        let values = Values::default();
        let fetching = spawn_local(fetch(Rc::clone(&values)));
        let watching = spawn_local(monitor(values));
        fetching.await.unwrap();
        watching.await.unwrap();
    });
}

// takes: 0s..0.5s
// prints:
// 0
// 10
// 20
// 20
// 30
// 40
// 40
// 50
