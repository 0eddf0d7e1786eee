//! Permits that are added, forgotten, split and merged, and how many there can be.

use arborio_sync::{
    TooManyPermits, TryAcquireError,
    flavour::{Flavour, Semaphore},
};

use super::{acquire, granted};
use crate::support::{Log, in_both_flavours, panics, poll};

in_both_flavours![
    permits_may_be_added_for_those_who_wait,
    more_permits_than_a_word_counts_are_refused,
    permits_in_use_count_towards_the_most,
    forgotten_permits_make_room_for_others,
    permits_can_be_forgotten_split_and_merged,
    #[cfg(panic = "unwind")]
    permits_of_two_semaphores_cannot_be_merged,
    #[cfg(panic = "unwind")]
    more_permits_than_can_be_are_not_waited_for,
];

fn permits_may_be_added_for_those_who_wait<F: Flavour>() {
    let (semaphore, log) = (Semaphore::<F>::empty(), Log::default());
    let (mut first, mut second) = (acquire(&semaphore, 2), acquire(&semaphore, 1));
    assert!(poll(&mut first, &log.waker(1)).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    semaphore.add_permits(0).unwrap();
    semaphore.add_permits(1).unwrap();
    assert_eq!(log.take(), [0; 0]);
    semaphore.add_permits(3).unwrap();
    assert_eq!(log.take(), [1, 2]);
    let permits = (granted(&mut first), granted(&mut second));
    assert_eq!(semaphore.available_permits(), 1);
    drop(permits);
    assert_eq!(semaphore.available_permits(), 4);
}

fn more_permits_than_a_word_counts_are_refused<F: Flavour>() {
    let most = Semaphore::<F>::MAX_PERMITS;
    let semaphore = Semaphore::<F>::new(1);
    assert!(matches!(semaphore.add_permits(most), Err(TooManyPermits)));
    assert!(semaphore.add_permits(usize::MAX).is_err());
    assert_eq!(semaphore.available_permits(), 1, "nothing was added");
    semaphore.add_permits(most - 1).unwrap();
    assert!(semaphore.add_permits(1).is_err());
    assert_eq!(semaphore.available_permits(), most);
}

fn permits_in_use_count_towards_the_most<F: Flavour>() {
    let most = Semaphore::<F>::MAX_PERMITS;
    let semaphore = Semaphore::<F>::new(most);
    let permits = semaphore.try_acquire_many(most).unwrap();
    // Were they added, those in use could not come back.
    assert!(semaphore.add_permits(1).is_err());
    assert!(!semaphore.is_closed(), "no flag was hit");
    drop(permits);
    assert_eq!(semaphore.available_permits(), most);
}

fn forgotten_permits_make_room_for_others<F: Flavour>() {
    let most = Semaphore::<F>::MAX_PERMITS;
    let semaphore = Semaphore::<F>::new(most);
    semaphore.try_acquire_many(2).unwrap().forget();
    assert_eq!(semaphore.forget_permits(3), 3);
    assert!(semaphore.add_permits(6).is_err());
    semaphore.add_permits(5).unwrap();
    assert_eq!(semaphore.available_permits(), most);
    let held = semaphore.try_acquire_many(most - 1).unwrap();
    assert_eq!(semaphore.forget_permits(5), 1, "only those that are free");
    drop(held);
    assert_eq!(semaphore.available_permits(), most - 1);
}

fn permits_can_be_forgotten_split_and_merged<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(6);
    let mut permits = semaphore.try_acquire_many(4).unwrap();
    assert!(permits.split(5).is_none());
    let two = permits.split(2).unwrap();
    let none = permits.split(0).unwrap();
    assert_eq!((permits.count(), two.count(), none.count()), (2, 2, 0));
    drop(none);
    assert_eq!(semaphore.available_permits(), 2);
    permits.merge(two);
    assert_eq!((permits.count(), semaphore.available_permits()), (4, 2));
    let mut one = permits.split(1).unwrap();
    one.merge(permits.split(2).unwrap());
    assert_eq!((permits.count(), one.count()), (1, 3));
    permits.merge(one.split(2).unwrap());
    one.forget();
    drop(permits);
    assert_eq!(semaphore.available_permits(), 5);
}

fn permits_of_two_semaphores_cannot_be_merged<F: Flavour>() {
    let (one, two) = (Semaphore::<F>::new(1), Semaphore::<F>::new(1));
    let (mut mine, other) = (one.try_acquire().unwrap(), two.try_acquire().unwrap());
    assert!(panics(|| mine.merge(other)));
    assert_eq!((one.available_permits(), two.available_permits()), (0, 1));
}

fn more_permits_than_can_be_are_not_waited_for<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(1);
    let more = Semaphore::<F>::MAX_PERMITS + 1;
    assert!(panics(|| drop(semaphore.acquire_many(more))));
    assert!(panics(|| drop(semaphore.blocking_acquire_many(more))));
    for count in [2, more, usize::MAX] {
        let error = semaphore.try_acquire_many(count).unwrap_err();
        assert_eq!(error, TryAcquireError::NoPermits);
    }
    assert_eq!(semaphore.available_permits(), 1);
}
