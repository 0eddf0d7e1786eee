//! A12: callbacks of a promise run where it is completed, in order, and once.

use super::*;

in_both_flavours![
    a12_callbacks_run_in_order_when_it_is_done,
    a12_a_callback_of_a_done_promise_runs_at_once,
    #[cfg(panic = "unwind")]
    a12_a_callback_that_panics_keeps_none_of_the_others,
    a12_a_callback_is_taken_back_once,
    a12_a_callback_of_another_promise_is_not_taken_back,
    a12_a_callback_sees_errors_and_a_value_that_was_taken,
    a12_a_callback_may_use_the_promise,
    a12_callbacks_see_the_value_before_a_taker_gets_it,
    callbacks_of_a_promise_that_is_never_done_are_dropped_uncalled,
];

/// The flavours differ in what a callback must be; here it is `Send` for both.
pub(super) trait CallsBack: Flavour {
    fn on_done<T>(
        promise: &Promise<T, Self>,
        callback: impl FnOnce(&Result<T, PromiseError>) + Send + 'static,
    ) -> CallbackId;
}

impl CallsBack for Threads {
    fn on_done<T>(
        promise: &Promise<T, Self>,
        callback: impl FnOnce(&Result<T, PromiseError>) + Send + 'static,
    ) -> CallbackId {
        promise.on_done(callback)
    }
}

impl CallsBack for OneThread {
    fn on_done<T>(
        promise: &Promise<T, Self>,
        callback: impl FnOnce(&Result<T, PromiseError>) + Send + 'static,
    ) -> CallbackId {
        promise.on_done(callback)
    }
}

fn a12_callbacks_run_in_order_when_it_is_done<F: CallsBack>() {
    let (promise, log) = (Promise::<usize, F>::new(), Log::default());
    let mut waiting = wait(&promise);
    assert!(poll(&mut waiting, &log.waker(0)).is_pending());
    for number in 1..=3 {
        let log = log.clone();
        F::on_done(&promise, move |outcome| {
            log.add(number + *outcome.as_ref().unwrap());
        });
    }
    assert!(log.take().is_empty());
    promise.set(10).unwrap();
    assert_eq!(log.take(), [0, 11, 12, 13], "before `set` returns");
}

fn a12_a_callback_of_a_done_promise_runs_at_once<F: CallsBack>() {
    let (promise, log) = (done::<F>(7), Log::default());
    let noted = log.clone();
    let id = F::on_done(&promise, move |outcome| {
        noted.add(*outcome.as_ref().unwrap())
    });
    assert_eq!(log.take(), [7]);
    assert!(!promise.remove_callback(id));
}

fn a12_a_callback_that_panics_keeps_none_of_the_others<F: CallsBack>() {
    let (promise, log) = (Promise::<usize, F>::new(), Log::default());
    for number in 0..4 {
        let log = log.clone();
        F::on_done(&promise, move |_| {
            log.add(number);
            assert!(number % 2 == 0, "a callback panics");
        });
    }
    promise.set(7).unwrap();
    F::on_done(&promise, |_| panic!("a callback panics at once"));
    assert_eq!(log.take(), [0, 1, 2, 3]);
    assert_eq!(ready!(take(&promise)).unwrap(), 7, "nobody reads any more");
}

fn a12_a_callback_is_taken_back_once<F: CallsBack>() {
    let (promise, log) = (Promise::<usize, F>::new(), Log::default());
    let ids: Vec<_> = (0..3)
        .map(|number| {
            let log = log.clone();
            F::on_done(&promise, move |_| log.add(number))
        })
        .collect();
    assert!(promise.remove_callback(ids[1]));
    assert!(!promise.remove_callback(ids[1]));
    promise.set(7).unwrap();
    assert_eq!(log.take(), [0, 2]);
    assert!(!promise.remove_callback(ids[0]), "it has run");
}

fn a12_a_callback_of_another_promise_is_not_taken_back<F: CallsBack>() {
    let (promise, other) = (Promise::<usize, F>::new(), Promise::<usize, F>::new());
    let log = Log::default();
    let noted = log.clone();
    F::on_done(&promise, move |_| noted.add(1));
    let id = F::on_done(&other, |_| ());
    assert!(!promise.remove_callback(id));
    promise.set(7).unwrap();
    assert_eq!(log.take(), [1]);
}

fn a12_a_callback_sees_errors_and_a_value_that_was_taken<F: CallsBack>() {
    let log = Log::default();
    let note = |promise: &Promise<usize, F>| {
        let log = log.clone();
        F::on_done(promise, move |outcome| {
            log.add(match outcome {
                Ok(_) => 0,
                Err(PromiseError::Failed(_)) => 1,
                Err(PromiseError::Cancelled) => 2,
                Err(PromiseError::Taken) => 3,
                Err(_) => 4,
            });
        });
    };
    let (failed, cancelled) = (Promise::new(), Promise::new());
    note(&failed);
    note(&cancelled);
    failed.fail("broken").unwrap();
    cancelled.cancel();
    let taken = done::<F>(7);
    assert!(ready!(take(&taken)).is_ok());
    note(&taken);
    note(&failed);
    assert_eq!(log.take(), [1, 2, 3, 1]);
}

fn a12_a_callback_may_use_the_promise<F: CallsBack>() {
    without_hanging(|| {
        let (promise, log) = (Rc::new(Promise::<usize, F>::new()), Log::default());
        let here = Here::new((Rc::clone(&promise), log.clone()));
        F::on_done(&promise, move |outcome| {
            let (promise, log) = &*here;
            assert_eq!(*outcome.as_ref().unwrap(), 7);
            assert!(promise.set(8).is_err() && !promise.cancel());
            assert_eq!(promise.try_result().unwrap().unwrap(), 7);
            assert!(
                poll_idle(&mut take(promise)).is_pending(),
                "it is being read"
            );
            let noted = log.clone();
            F::on_done(promise, move |_| noted.add(1));
            log.add(2);
        });
        promise.set(7).unwrap();
        assert_eq!(log.take(), [1, 2]);
    });
}

fn a12_callbacks_see_the_value_before_a_taker_gets_it<F: CallsBack>() {
    let (promise, (woken, waker)) = (Promise::<usize, F>::new(), Counter::new());
    let mut taking = take(&promise);
    assert!(poll(&mut taking, &waker).is_pending());
    let taker = Rc::new(Cell::new(false));
    let here = Here::new((promise.clone(), Rc::clone(&taker)));
    F::on_done(&promise, move |outcome| {
        let (promise, taker) = &*here;
        taker.set(poll_idle(&mut take(promise)).is_ready());
        assert_eq!(*outcome.as_ref().unwrap(), 7);
    });
    promise.set(7).unwrap();
    assert!(!taker.get());
    assert_eq!(woken.count(), 1);
    assert_eq!(ready!(taking).unwrap(), 7);
}

#[test]
fn a12_a_taker_on_another_thread_waits_for_the_callbacks() {
    without_hanging(|| {
        let promise = arborio_sync::Promise::new();
        let (start, started) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        promise.on_done(move |outcome| {
            start.send(()).unwrap();
            ended.recv().unwrap();
            assert_eq!(outcome.as_ref().unwrap(), &[7]);
        });
        std::thread::scope(|scope| {
            let completer = scope.spawn(|| promise.set(vec![7]).unwrap());
            started.recv().unwrap();
            let (woken, waker) = Counter::new();
            let mut taking = take(&promise);
            assert!(poll(&mut taking, &waker).is_pending(), "it is being read");
            end.send(()).unwrap();
            completer.join().unwrap();
            assert_eq!(woken.count(), 1);
            assert_eq!(ready!(taking).unwrap(), [7]);
        });
    });
}

#[test]
fn a12_callbacks_run_in_the_thread_that_completes() {
    let promise = arborio_sync::Promise::new();
    let (sender, receiver) = mpsc::channel();
    promise.on_done(move |_| sender.send(std::thread::current().id()).unwrap());
    let completer = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            promise.set(7).unwrap();
            std::thread::current().id()
        });
        thread.join().unwrap()
    });
    assert_eq!(receiver.recv(), Ok(completer));
}

fn callbacks_of_a_promise_that_is_never_done_are_dropped_uncalled<F: CallsBack>() {
    let census = Census::default();
    let promise = Promise::<usize, F>::new();
    let keep = |number| {
        let captured = census.value(number);
        F::on_done(&promise, move |_| panic!("{captured:?} is called"))
    };
    keep(1);
    let id = keep(2);
    assert_eq!(census.alive(), 2);
    assert!(promise.remove_callback(id));
    assert_eq!(census.alive(), 1);
    drop(promise);
    assert_eq!(census.alive(), 0);
}
