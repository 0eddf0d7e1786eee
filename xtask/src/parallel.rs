//! Many small runs of other programs, on all processors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does `work` for each, several at a time, and gives what comes of it in the order of `items`.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else {
                break done;
            };
            done.push((place, work(item)));
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<_> = thread::scope(|threads| {
        let running: Vec<_> = (0..processors).map(|_| threads.spawn(take)).collect();
        let ended = running.into_iter();
        ended
            .flat_map(|thread| thread.join().expect("who runs programs does not panic"))
            .collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_is_done_once_and_the_order_stays() {
        let numbers: Vec<usize> = (0..1000).collect();
        let doubled: Vec<usize> = numbers.iter().map(|number| number * 2).collect();
        assert_eq!(super::map(&numbers, |number| number * 2), doubled);
        assert!(super::map(&[] as &[u8], |_| ()).is_empty());
    }
}
