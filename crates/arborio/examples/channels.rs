//! Channels: a queue that holds a fast sender back, a request with its answer, a
//! message for everybody, and a value that others watch.

use arborio::{
    EventLoop, spawn,
    sync::{broadcast, mpsc, oneshot, watch},
    time::{Clock, Duration, clock, sleep},
};

fn say(what: String) {
    println!("{} s: {what}", clock().as_secs());
}

/// There is room for one message, so the sender goes at the receiver's pace.
async fn back_pressure() {
    let (sender, mut receiver) = mpsc::channel(1);
    let sending = spawn(async move {
        for number in 1..=3 {
            sender.send(number).await.expect("the receiver is there");
            say(format!("sent {number}"));
        }
    });
    while let Some(number) = receiver.recv().await {
        sleep(Duration::from_secs(1)).await;
        say(format!("worked on {number}"));
    }
    sending.await.unwrap();
}

/// Each request brings the channel for its answer along.
async fn question_and_answer() {
    let (ask, mut questions) = mpsc::unbounded::<(u32, oneshot::Sender<u32>)>();
    let service = spawn(async move {
        while let Some((number, answer)) = questions.recv().await {
            sleep(Duration::from_secs(1)).await;
            // Whoever asked may have given up meanwhile.
            let _ = answer.send(number * number);
        }
    });
    let (answer, answered) = oneshot::channel();
    ask.send((7, answer)).expect("the service runs");
    say(format!("7 squared is {}", answered.await.unwrap()));
    drop(ask); // ends the service
    service.await.unwrap();
}

/// Two listeners hear everything.
async fn news_for_all() {
    let (sender, receiver) = broadcast::channel(8);
    let listeners = [("first", receiver.clone()), ("second", receiver)];
    let listening = listeners.map(|(name, mut receiver)| {
        spawn(async move {
            while let Ok(news) = receiver.recv().await {
                say(format!("the {name} hears: {news}"));
            }
        })
    });
    sender.send("a storm comes").expect("two receive it");
    drop(sender); // ends the listeners
    for listener in listening {
        listener.await.unwrap();
    }
}

/// Only the last value counts.
async fn a_value_to_watch() {
    let (sender, mut receiver) = watch::channel("starting");
    let service = spawn(async move {
        for state in ["loading", "running"] {
            sleep(Duration::from_secs(1)).await;
            sender.send(state).expect("somebody watches");
        }
    });
    let state = receiver.wait_for(|state| *state == "running").await;
    say(format!("the service is {}", *state.unwrap()));
    service.await.unwrap();
}

fn main() {
    EventLoop::builder().clock(Clock::simulated()).run(async {
        back_pressure().await;
        question_and_answer().await;
        news_for_all().await;
        a_value_to_watch().await;
    });
}

// takes: 0s..0.5s
// prints:
// 0 s: sent 1
// 0 s: sent 2
// 1 s: worked on 1
// 1 s: sent 3
// 2 s: worked on 2
// 3 s: worked on 3
// 4 s: 7 squared is 49
// 4 s: the first hears: a storm comes
// 4 s: the second hears: a storm comes
// 6 s: the service is running
