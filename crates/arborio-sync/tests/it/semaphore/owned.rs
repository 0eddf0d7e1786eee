//! Permits that own their semaphore.

use std::{rc::Rc, sync::Arc, task::Poll};

use crate::support::{Counter, panics, poll, poll_idle};

#[test]
fn y02_an_owned_acquisition_that_is_dropped_after_its_grant_passes_it_on() {
    let semaphore = Arc::new(arborio_sync::Semaphore::new(2));
    let permits = Arc::clone(&semaphore).try_acquire_many_owned(2);
    let (woken, waker) = Counter::new();
    let mut first = Box::pin(Arc::clone(&semaphore).acquire_many_owned(2));
    let mut second = Box::pin(Arc::clone(&semaphore).acquire_owned());
    assert!(poll_idle(&mut first).is_pending());
    assert!(poll(&mut second, &waker).is_pending());
    drop(permits);
    drop(first);
    assert_eq!((woken.count(), Arc::strong_count(&semaphore)), (1, 2));
    let Poll::Ready(Ok(mut permit)) = poll_idle(&mut second) else {
        panic!("it is its turn");
    };
    assert!(std::ptr::eq(permit.semaphore(), &*semaphore));
    permit.merge(Arc::clone(&semaphore).try_acquire_owned().unwrap());
    let other = permit.split(1).unwrap();
    assert_eq!((permit.count(), other.count()), (1, 1));
    permit.forget();
    drop((other, second));
    assert_eq!(
        (semaphore.available_permits(), Arc::strong_count(&semaphore)),
        (1, 1)
    );
}

#[cfg(panic = "unwind")]
#[test]
fn many_owned_permits_are_taken_at_once() {
    let semaphore = Rc::new(arborio_sync::local::Semaphore::new(3));
    let one = Rc::clone(&semaphore).try_acquire_owned().unwrap();
    assert!(Rc::clone(&semaphore).try_acquire_many_owned(3).is_err());
    let mut acquire = Box::pin(Rc::clone(&semaphore).acquire_many_owned(3));
    assert!(poll_idle(&mut acquire).is_pending());
    drop(one);
    let Poll::Ready(Ok(all)) = poll_idle(&mut acquire) else {
        panic!("all are free");
    };
    assert_eq!((all.count(), semaphore.available_permits()), (3, 0));
    drop(all);
    assert_eq!(semaphore.available_permits(), 3);
    let more = arborio_sync::Semaphore::MAX_PERMITS + 1;
    assert!(panics(|| semaphore.acquire_many_owned(more)));
}

#[cfg(panic = "unwind")]
#[test]
fn owned_permits_of_two_semaphores_cannot_be_merged() {
    let permit = || {
        Arc::new(arborio_sync::Semaphore::new(1))
            .try_acquire_owned()
            .unwrap()
    };
    assert!(panics(|| permit().merge(permit())));
}

#[test]
fn an_owned_acquisition_is_told_that_the_semaphore_closed() {
    let semaphore = Rc::new(arborio_sync::local::Semaphore::empty());
    let mut acquire = Box::pin(Rc::clone(&semaphore).acquire_owned());
    assert!(poll_idle(&mut acquire).is_pending());
    semaphore.close();
    assert!(matches!(poll_idle(&mut acquire), Poll::Ready(Err(_))));
    assert!(
        matches!(poll_idle(&mut acquire), Poll::Ready(Err(_))),
        "it stays closed"
    );
}
