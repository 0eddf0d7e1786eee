//! [`Trees`]: what hangs on each worker of a pool, asked of the workers themselves.
//!
//! A tree is plain memory of one worker, which alone may read it. So each worker is sent a task that stays there, reads it, and is
//! left out of it. A worker in a long poll cannot answer; who asks need not wait for that.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use arborio_task::{SpawnOptions, Submitter, Task, Tree, WaitError, tree, tree_around};

use crate::Handle;

impl Handle {
    /// Asks the loop, or each worker of the pool, for its [tree](tree()). From any thread, at any time; on the loop's own one
    /// the tree is read at once.
    ///
    /// A worker answers between two polls: one in a long poll does not, before that is over. Therefore bound the
    /// wait, with a timeout around the future and [`take`](Trees::take) if it was too long, or with
    /// [`wait_timeout`](Trees::wait_timeout) where no loop runs, and see who has not answered: which task is in its way is
    /// told to the observer as a slow poll.
    ///
    /// Each tree is true for its worker at the moment when that reads it, and these moments differ. A free task that moves
    /// meanwhile may be seen twice, or not at all. A task of a scope is seen once, where the scope is.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::{Handle, task};
    /// let drawn = run(async {
    ///     let cook = task().name("cook").spawn(std::future::pending::<()>());
    ///     let handle = Handle::current().unwrap();
    ///     let trees = std::thread::spawn(move || handle.trees()).join().unwrap().await;
    ///     cook.abort();
    ///     assert_eq!(trees.len(), 1, "that many workers has a loop");
    ///     trees[0].as_ref().unwrap().to_string()
    /// });
    /// assert!(drawn.contains("task `cook`"));
    /// ```
    pub fn trees(&self) -> Trees {
        let workers = self.submitter.team();
        Trees {
            workers: workers.iter().map(Asked::new).collect(),
        }
    }
}

/// The trees of all workers, which have been asked; made by [`Handle::trees`]. A future of all of them: for each worker, in the
/// order of [`Metrics::workers`](crate::Metrics::workers), its tree, or `None` if it has ended, or is being stopped.
///
/// # Cancel safety
/// Dropping it takes the question back.
///
/// # Examples
/// See [`Handle::trees`], and [`take`](Self::take).
#[derive(Debug)]
#[must_use = "whoever was asked answers to nobody"]
pub struct Trees {
    workers: Vec<Asked>,
}

/// A worker, and what it has said.
#[derive(Debug)]
enum Asked {
    Task(Task<Tree>),
    Answered(Option<Tree>),
}

impl Asked {
    fn new(worker: &Submitter) -> Self {
        if worker.is_here() {
            return Self::Answered(Some(tree()));
        }
        let options = SpawnOptions::new().name("tree").awaited(false);
        Self::Task(worker.spawn_with(|| async { tree_around() }, options))
    }

    /// What it has said until now. It need not answer any more.
    fn give_up(self) -> Option<Tree> {
        match self {
            Self::Answered(tree) => tree,
            Self::Task(mut task) => match task.try_take() {
                Some(ended) => ended.ok(),
                None => {
                    task.abort();
                    None
                }
            },
        }
    }
}

impl Trees {
    /// What has come until now, `None` for a worker that has not answered: for who has stopped waiting. These need not answer any
    /// more. When the future was ready it has given everything away, and this is empty.
    ///
    /// # Examples
    /// Workers that do not answer in time, with the `timeout` of the crate `arborio`:
    /// ```text
    /// let mut asked = handle.trees();
    /// let trees = match timeout(Duration::from_millis(100), &mut asked).await {
    ///     Ok(trees) => trees,
    ///     Err(_) => asked.take(), // some are in a long poll
    /// };
    /// ```
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::Handle;
    /// let handle = run(async { Handle::current().unwrap() });
    /// assert!(handle.trees().take()[0].is_none(), "the loop has ended");
    /// ```
    pub fn take(&mut self) -> Vec<Option<Tree>> {
        let workers = mem::take(&mut self.workers);
        workers.into_iter().map(Asked::give_up).collect()
    }

    /// Blocks this thread until all have answered, at most for `limit`, in real time; then as [`take`](Self::take).
    ///
    /// # Errors
    /// [`WaitError::OnLoop`] if a loop runs on this thread, and not all have answered.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::Handle;
    /// use std::time::Duration;
    /// run(async {
    ///     let handle = Handle::current().unwrap();
    ///     // This thread has the loop, and blocks until the other one has asked: so the loop does not answer.
    ///     let asked = std::thread::spawn(move || handle.trees().wait_timeout(Duration::from_millis(1)));
    ///     assert!(asked.join().unwrap().unwrap()[0].is_none());
    /// });
    /// ```
    pub fn wait_timeout(mut self, limit: Duration) -> Result<Vec<Option<Tree>>, WaitError> {
        let since = Instant::now();
        for asked in &mut self.workers {
            let Asked::Task(task) = asked else { continue };
            match task.wait_timeout(limit.saturating_sub(since.elapsed())) {
                Ok(tree) => *asked = Asked::Answered(Some(tree)),
                Err(WaitError::Interrupted(_)) => *asked = Asked::Answered(None),
                Err(WaitError::TimedOut) => {}
                Err(on_loop) => return Err(on_loop),
            }
        }
        Ok(self.take())
    }
}

impl Future for Trees {
    type Output = Vec<Option<Tree>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut pending = false;
        for asked in &mut self.workers {
            let Asked::Task(task) = asked else { continue };
            match Pin::new(task).poll(cx) {
                Poll::Ready(ended) => *asked = Asked::Answered(ended.ok()),
                Poll::Pending => pending = true,
            }
        }
        if pending {
            return Poll::Pending;
        }
        Poll::Ready(self.take())
    }
}

impl Drop for Trees {
    fn drop(&mut self) {
        drop(self.take());
    }
}
