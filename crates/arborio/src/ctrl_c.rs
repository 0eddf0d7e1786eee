//! What Ctrl-C does to a loop: [`CtrlC`]. The one file that knows whether there are signals
//! at all: they are a feature.

use std::{io, sync::Arc};

use arborio_executor::Handle;
use arborio_sync::Event;

/// What Ctrl-C does to a loop or a pool.
///
/// With [`Cancel`](Self::Cancel) the first Ctrl-C [stops](crate::Handle::stop) the loop: every task is asked
/// to end, may clean up within the [grace](crate::LoopBuilder::grace), and `run` goes on as after any
/// stop. [`stop_reason`](crate::Handle::stop_reason) is
/// [`ReasonKind::CtrlC`](crate::cancel::ReasonKind::CtrlC) then, and so is the reason that scopes pass on to their
/// tasks. The second Ctrl-C drops what is left, at once. The third ends the process, as it does
/// where there is no handler: a task that does not return from its poll cannot be dropped.
///
/// When the last such loop has ended, Ctrl-C ends the process again, unless a
/// listener of [`signal`](mod@crate::signal) is there. Meanwhile every such loop hears of every Ctrl-C, and so does
/// every listener. Ctrl-C is a `SIGINT`, from wherever it comes.
///
/// # Examples
/// ```
/// use arborio::{CtrlC, EventLoop, RunError, cancel::finally};
/// # use rustix::process::{Signal, getpid, kill_process};
/// use std::future::pending;
///
/// let mut cleaned_up = false;
/// let ended = EventLoop::builder().ctrl_c(CtrlC::Cancel).try_run(async {
/// #   kill_process(getpid(), Signal::INT).unwrap();
///     finally(pending::<()>(), async || cleaned_up = true).await
/// });
/// assert!(matches!(ended, Err(RunError::Stopped)) && cleaned_up);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CtrlC {
    /// What it does to the process anyway: no handler is installed.
    #[default]
    Leave,
    /// The first asks everything to end, the second forces it, the third ends the process.
    #[cfg(feature = "signal")]
    Cancel,
}

/// Looks after Ctrl-C for a loop, or does not, as long as it lives.
pub(crate) struct MaybeLookout {
    #[cfg(feature = "signal")]
    lookout: Option<crate::signal::Lookout>,
}

#[cfg(feature = "signal")]
impl MaybeLookout {
    pub(crate) fn begin(what: CtrlC) -> io::Result<Self> {
        let lookout = match what {
            CtrlC::Leave => None,
            CtrlC::Cancel => Some(crate::signal::Lookout::start()?),
        };
        Ok(Self { lookout })
    }

    /// A loop that is to be stopped.
    pub(crate) fn add(&self, make: impl FnOnce() -> Handle) {
        if let Some(lookout) = &self.lookout {
            lookout.add(make());
        }
    }

    /// Set when the grace of the loops is over.
    pub(crate) fn forced(&self) -> Option<&Arc<Event>> {
        self.lookout.as_ref().map(crate::signal::Lookout::forced)
    }
}

#[cfg(not(feature = "signal"))]
impl MaybeLookout {
    pub(crate) fn begin(_: CtrlC) -> io::Result<Self> {
        Ok(Self {})
    }

    pub(crate) fn add(&self, _: impl FnOnce() -> Handle) {}

    pub(crate) fn forced(&self) -> Option<&Arc<Event>> {
        None
    }
}
