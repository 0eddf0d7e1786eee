//! [`ReactorHelper`]: another thread looks at the epoll of a loop that is held up.
//!
//! A reactor is driven by its loop, between polls. While one of these polls goes on for long, nobody would see what the
//! kernel has to say of its sources. The table and the sources are safe for any thread; all that belongs to the loop
//! is the wait, and two threads may wait for one epoll. So who helps waits for nothing, and hands out what it got.
//!
//! # Invariants
//! - H1: the events of the loop's own descriptors, its notifier and its timer, are edges that only one waiter gets. Who
//!   helps and gets one says so (`took`), and the loop's next wait ends at once. If the loop waits already (`waits`), the
//!   notifier is called. Each writes its own word first and reads the other's behind a fence, so one of them sees the other.
//!   The notifier is not called otherwise: who attends the epoll would be woken by that, again and again.
//! - H2: no waker is called under the lock of the table, and none of them here.

use std::sync::{Arc, OnceLock};

use arborio_base::WakeBatch;

use crate::home::Home;

/// Looks at the epoll of a [`LoopReactor`](crate::LoopReactor) from another thread, while its loop cannot.
///
/// # Examples
/// ```
/// use arborio_base::WakeBatch;
/// use arborio_reactor::{Async, LoopReactor};
/// use std::{io::Write, os::unix::net::UnixStream, pin::pin, task::{Context, Waker}};
///
/// let reactor = LoopReactor::new(|_notifier| ());
/// let helper = reactor.helper();
/// let _here = reactor.enter();
/// let (one, mut other) = UnixStream::pair()?;
/// let socket = Async::new(one)?;
/// let mut readable = pin!(socket.readable());
/// assert!(readable.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
/// other.write_all(b"!")?;
/// let woken = std::thread::spawn(move || helper.look(&mut WakeBatch::new())).join().unwrap();
/// assert_eq!(woken, 1);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReactorHelper {
    /// Filled when the reactor opens.
    home: Arc<OnceLock<Arc<Home>>>,
}

impl ReactorHelper {
    /// The reactor is open.
    pub(crate) fn learn(&self, home: &Arc<Home>) {
        home.be_helped();
        let _ = self.home.set(Arc::clone(home));
    }

    /// The table of the reactor, if it is open.
    pub(crate) fn home(&self) -> Option<&Home> {
        self.home.get().map(|home| &**home)
    }

    /// Marks the sources as ready of which the kernel has something to say now, and moves the wakers of those who wait for
    /// them into `batch`. Calls none of them. Returns how many there were: 0 if the reactor is not open, or has ended, or
    /// the system refuses; and where there is no epoll.
    ///
    /// # Examples
    /// ```
    /// let reactor = arborio_reactor::LoopReactor::new(|_notifier| ());
    /// let woken = reactor.helper().look(&mut arborio_base::WakeBatch::new());
    /// assert_eq!(woken, 0);
    /// ```
    pub fn look(&self, batch: &mut WakeBatch) -> usize {
        self.home().map_or(0, |home| home.look(batch))
    }
}
