//! Who watches a loop, or a worker of a pool: the observer, the clock behind its end, and the watchdog of its polls.

use std::{future::pending, sync::Arc, time::Duration};

use arborio_executor::{SlowPoll, Task, Tasks, task, tree};
use arborio_scope::select;
use arborio_sync::Event;
use arborio_task::Submitter;
use arborio_timers::sleep;

use crate::{driver::Watches, owner::Owner, report::Report};

/// How long after the end of `main` the observer is told what the loop still
/// waits for.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// How long descriptors may hold a simulated clock before the observer is told, in real time.
pub(crate) const HELD_CLOCK: Duration = Duration::from_secs(5);
/// How long the tasks that are left at the end may clean up.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Gets what nobody asked for and somebody should know.
pub(crate) type Observer = Arc<dyn Fn(&Report<'_>) + Send + Sync>;

/// Which polls are told of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum SlowPolls {
    /// Those that are longer than [`SLOW`], where time is real.
    #[default]
    Usual,
    Longer(Option<Duration>),
}

/// What is a slow poll unless the builder says otherwise: far more than a thread waits for its processor on a busy machine.
const SLOW: Duration = Duration::from_secs(1);

impl SlowPolls {
    /// Has the loop watched as long as what it returns lives.
    pub(crate) fn watch(
        self,
        tasks: &Tasks,
        is_real: bool,
        observer: &Observer,
    ) -> Option<arborio_executor::Watching> {
        let limit = match self {
            Self::Usual => is_real.then_some(SLOW),
            Self::Longer(limit) => limit,
        }?;
        let observer = Arc::clone(observer);
        let tell = move |poll: &SlowPoll| observer(&Report::SlowPoll(poll));
        Some(arborio_executor::watch(tasks.watched(), limit, tell))
    }
}

/// Spawns who looks at the time when the loop comes to its end.
pub(crate) struct EndWatches<'a> {
    pub(crate) linger: Duration,
    pub(crate) grace: Duration,
    /// Ends the grace when it is set, as [`stop_now`](arborio_executor::Handle::stop_now) does; `None` if Ctrl-C is not heeded.
    pub(crate) forced: Option<&'a Arc<Event>>,
    pub(crate) owner: &'a dyn Owner,
    pub(crate) observer: &'a Observer,
}

impl Watches for EndWatches<'_> {
    /// The loop waits for others: tells about it later.
    fn main_ended(&self) {
        let observer = Arc::clone(self.observer);
        spawn_linger(self.linger, move |report| observer(report));
    }

    fn start_grace(&self) -> Option<Task<()>> {
        let grace = self.owner.grace().unwrap_or(self.grace);
        if grace.is_zero() {
            return None;
        }
        let forced = self.forced.cloned().unwrap_or_default();
        if let Some(here) = Submitter::current() {
            let ends = Arc::clone(&forced);
            here.when_forced(move || ends.set());
        }
        Some(spawn_grace(grace, forced))
    }
}

/// A task that tells, after `linger`, what the loop still waits for.
fn spawn_linger(linger: Duration, observer: impl Fn(&Report<'_>) + 'static) {
    if linger == Duration::MAX {
        return;
    }
    let watch = async move {
        sleep(linger).await;
        let left = tree().awaited();
        arborio_base::contain(|| observer(&Report::Lingering(&left)));
    };
    drop(task().name("linger").awaited(false).spawn_local(watch));
}

/// A task that ends after `grace`, or when it is `forced`.
fn spawn_grace(grace: Duration, forced: Arc<Event>) -> Task<()> {
    let over = async move {
        if grace == Duration::MAX {
            pending::<()>().await;
        }
        sleep(grace).await;
    };
    let watch = async move {
        select! {
            () = over => {},
            () = forced.wait() => {},
        }
    };
    task().name("grace").awaited(false).spawn_local(watch)
}

pub(crate) fn write_to_stderr(what: &'static str, name: Option<String>) -> Observer {
    Arc::new(move |report| match &name {
        Some(name) => eprintln!("arborio: {what} `{name}`: {report}"),
        None => eprintln!("arborio: {report}"),
    })
}
