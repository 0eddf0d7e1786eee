//! Which errors of `accept` are survived, and how.
//!
//! * An error of *one connection*, which was reset before it could be
//!   accepted: the next one is tried at once.
//! * The *system is out of* descriptors or memory: nobody accepts for a while,
//!   and then tries again. To return the error would make the usual accept
//!   loop spin at full speed, since the connection stays in the queue.
//! * Anything else is the caller's.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use arborio_base::{
    contain, drop_contained,
    sync::{Mutex, lock},
};
use arborio_timers::{Instant, Sleep, sleep_until};
use rustix::io::Errno;

use crate::connect::is;

/// How long nobody accepts when the system has run out of something. trio's
/// figure: long enough to cost nothing, short enough that nobody notices.
const PAUSE: Duration = Duration::from_millis(100);

/// So many connections in a row may fail before the errors are taken for
/// lasting (a firewall's EPERM), and treated as a shortage.
const FAILURES: u32 = 16;

/// What to do about an error of `accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Remedy {
    /// Try the next connection.
    Retry,
    /// Let time pass, then try again.
    Pause,
    /// Tell the caller.
    GiveUp,
}

/// The `failures`-th error in a row is `error`.
pub(crate) fn remedy(error: &io::Error, failures: u32) -> Remedy {
    let any_of = |numbers: &[Errno]| numbers.iter().any(|number| is(error, *number));
    if any_of(&[Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS]) {
        return Remedy::Pause;
    }
    // From the manual of accept(2); its EOPNOTSUPP is left out, as it is also
    // what a socket says for ever that cannot accept at all.
    let of_one_connection = any_of(&[
        Errno::CONNABORTED,
        Errno::PROTO,
        Errno::PERM,
        Errno::INTR,
        Errno::NETDOWN,
        Errno::NETUNREACH,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NONET,
    ]);
    match of_one_connection {
        true if failures < FAILURES => Remedy::Retry,
        true => Remedy::Pause,
        false => Remedy::GiveUp,
    }
}

/// The pause of one listener, kept by everybody who accepts from it.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    state: Mutex<PauseState>,
}

#[derive(Debug, Default)]
struct PauseState {
    /// When the pause is over.
    until: Option<Instant>,
    /// A sleep for each task that polls: it has no future to keep one in.
    sleepers: Vec<Sleeper>,
}

#[derive(Debug)]
struct Sleeper {
    task: Waker,
    sleep: Pin<Box<Sleep>>,
}

impl Pause {
    /// Nobody accepts from now on, for a while.
    pub(crate) fn begin(&self) {
        let until = Instant::now() + PAUSE;
        lock(&self.state).until = Some(until);
    }

    /// When the pause is over; `None` if it is.
    pub(crate) fn until(&self) -> Option<Instant> {
        let until = lock(&self.state).until?;
        if until > Instant::now() {
            return Some(until);
        }
        lock(&self.state).until.take_if(|current| *current <= until);
        None
    }

    /// Waits for the end of the pause.
    pub(crate) async fn over(&self) {
        while let Some(until) = self.until() {
            sleep_until(until).await;
        }
    }

    /// The poll form of [`Pause::over`]. Sleeps are polled, and dropped,
    /// outside of the lock: they call wakers.
    pub(crate) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(until) = self.until() {
            let mut sleeper = self.take_sleeper(cx, until);
            if sleeper.sleep.as_mut().poll(cx).is_pending() {
                lock(&self.state).sleepers.push(sleeper);
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// The sleeper of the task of `cx`. Those whose sleep is over go, as their
    /// tasks may have lost interest; such a task is woken, as it may not have.
    fn take_sleeper(&self, cx: &Context<'_>, until: Instant) -> Sleeper {
        let mut state = lock(&self.state);
        let over: Vec<Sleeper> = state
            .sleepers
            .extract_if(.., |sleeper| sleeper.sleep.is_elapsed())
            .collect();
        let mine = state
            .sleepers
            .iter()
            .position(|sleeper| sleeper.task.will_wake(cx.waker()))
            .map(|index| state.sleepers.swap_remove(index));
        drop(state);
        for Sleeper { task, sleep } in over {
            contain(|| task.wake());
            drop_contained(sleep);
        }
        mine.unwrap_or_else(|| Sleeper {
            task: cx.waker().clone(),
            sleep: Box::pin(sleep_until(until)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use arborio_timers::{Clock, Timers};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_task_whose_sleep_is_taken_away_is_woken_instead() {
        let clock = Clock::simulated();
        let timers = Timers::new(clock.clone(), Waker::noop().clone());
        let _here = timers.enter();
        let (pause, tasks) = (Pause::default(), [(); 2].map(|()| Arc::<Count>::default()));
        let poll = |task: &Arc<Count>| {
            let waker = Waker::from(Arc::clone(task));
            pause.poll_over(&mut Context::from_waker(&waker))
        };
        assert!(poll(&tasks[0]).is_ready(), "there is no pause");
        pause.begin();
        assert!(tasks.iter().all(|task| poll(task).is_pending()));
        clock.advance(PAUSE / 2);
        assert!(poll(&tasks[0]).is_pending(), "it is not over");
        // The sleeps are over, and before the wheel has fired the second one,
        // the first task meets the next shortage.
        clock.advance(PAUSE / 2);
        assert!(poll(&tasks[0]).is_ready());
        pause.begin();
        assert!(poll(&tasks[0]).is_pending());
        assert_eq!(tasks[1].0.load(Ordering::SeqCst), 1);
        assert!(poll(&tasks[1]).is_pending(), "and waits again");
    }

    #[test]
    fn r15_every_error_of_accept_has_its_remedy() {
        let remedy_of = |number: Errno| remedy(&io::Error::from(number), 0);
        for number in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS] {
            assert_eq!(remedy_of(number), Remedy::Pause, "{number}");
        }
        for number in [Errno::CONNABORTED, Errno::PROTO, Errno::PERM, Errno::INTR] {
            assert_eq!(remedy_of(number), Remedy::Retry, "{number}");
        }
        for number in [Errno::BADF, Errno::INVAL, Errno::NOTSOCK, Errno::OPNOTSUPP] {
            assert_eq!(remedy_of(number), Remedy::GiveUp, "{number}");
        }
    }

    #[test]
    fn a_connection_error_that_lasts_is_treated_as_a_shortage() {
        let error = io::Error::from(Errno::PERM);
        assert_eq!(remedy(&error, FAILURES - 1), Remedy::Retry);
        assert_eq!(remedy(&error, FAILURES), Remedy::Pause);
    }
}
