//! Three branches fill one table that lies on the stack, while a fourth one reports.
//!
//! Nothing is counted, locked or cloned: the branches take turns inside of `main`.

use std::cell::{Cell, RefCell};

use arborio::{
    Concurrent,
    time::{Duration, sleep},
};

/// As if it came from far away.
async fn fetch(city: &str, tenths: u64) -> usize {
    sleep(Duration::from_millis(100 * tenths)).await;
    city.len()
}

fn main() {
    arborio::run(async {
        let cities = [("Novara", 3), ("Vercelli", 1), ("Mortara", 2)];
        let (table, done) = (RefCell::new(Vec::new()), Cell::new(0));

        let c = Concurrent::local();
        let letters = cities.each_ref().map(|(city, tenths)| {
            let (table, done) = (&table, &done);
            c.spawn(async move {
                let letters = fetch(city, *tenths).await;
                table.borrow_mut().push(*city);
                done.set(done.get() + 1);
                letters
            })
        });
        let reporter = c.spawn(async {
            loop {
                sleep(Duration::from_millis(160)).await;
                println!("{} of {}", done.get(), cities.len());
            }
        });
        c.run(async {
            let mut sum = 0;
            for letters in letters {
                sum += letters.await.unwrap();
            }
            println!("{sum} letters");
            c.cancel(); // the reporter would go on for ever
        })
        .await;
        println!("reporter: ended by itself: {}", reporter.await.is_ok());
        drop(c);
        println!("{:?}", table.into_inner());
    });
}

// takes: 0.3s..0.5s
// prints:
// 1 of 3
// 21 letters
// reporter: ended by itself: false
// ["Vercelli", "Mortara", "Novara"]
