//! Loops in threads of their own, for programs that are not async all over.
//!
//! How such a loop ends is in [`owner`](crate::owner).

use std::{future::pending, io, ops::Deref, panic::Location, time::Duration};

use arborio_executor::{Handle, OnUnobservedPanic, StopError, get_or_create_default};

use crate::{event_loop::LoopBuilder, owner::Background};

/// An event loop: one thread, strict order, tasks that need not be `Send`.
///
/// [`run`](crate::run()) and [`LoopBuilder::run`] drive one on the calling thread. A value of this type
/// owns one that was [started](LoopBuilder::start) on a thread of its own, and is a [`Handle`] as everybody else
/// has one. The loop waits for tasks until it is stopped. Dropping the owner stops it, and waits
/// for its end as [`stop_and_join`](Self::stop_and_join) does, with the loop's [grace](LoopBuilder::grace). On the
/// thread of a loop the drop does not wait, and the loop ends in the background.
///
/// # Examples
/// ```
/// use arborio::{EventLoop, time::sleep};
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// let event_loop = EventLoop::builder().name("kitchen").start()?;
/// let mut bread = event_loop.spawn(async {
///     sleep(Duration::from_millis(2)).await;
///     "bread"
/// });
/// let butter = event_loop.run(async { "butter" })?;
/// assert_eq!((bread.wait()?, butter), ("bread", "butter"));
/// event_loop.stop_and_join(Duration::from_secs(1))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping the owner of a loop stops the loop; `detach` lets it run"]
#[doc(alias("Runtime", "Reactor"))]
pub struct EventLoop {
    background: Background,
}

impl EventLoop {
    /// The options of a loop, all at their defaults.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio::EventLoop::builder().run(async { 1 }), 1);
    /// ```
    pub fn builder() -> LoopBuilder {
        LoopBuilder::new()
    }

    /// The loop that runs on this thread, if one does.
    ///
    /// # Examples
    /// ```
    /// use arborio::EventLoop;
    /// assert!(EventLoop::current().is_none());
    /// assert!(arborio::run(async { EventLoop::current().is_some() }));
    /// ```
    pub fn current() -> Option<Handle> {
        Handle::current()
    }

    /// The loop that runs on this thread; otherwise the default loop of the process, which is
    /// started when it is first asked for, and again after it was stopped.
    ///
    /// Nobody owns the default loop: it goes on until it is stopped, and does not keep the process
    /// alive. Where no loop runs, [`spawn`](crate::spawn) uses it once it is there.
    ///
    /// # Errors
    /// The system refuses a thread.
    ///
    /// # Examples
    /// ```
    /// use arborio::EventLoop;
    /// let first = EventLoop::get_or_create()?;
    /// assert_eq!(first, EventLoop::get_or_create()?);
    /// assert_eq!(first.run(async { 3 }).unwrap(), 3);
    ///
    /// first.stop();
    /// assert_ne!(first, EventLoop::get_or_create()?);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    #[doc(alias("get_event_loop", "global"))]
    pub fn get_or_create() -> io::Result<Handle> {
        let place = Location::caller();
        get_or_create_default(|| Ok(Self::builder().start_at(place)?.detach()))
    }

    /// How others use the loop.
    ///
    /// # Examples
    /// ```
    /// let event_loop = arborio::EventLoop::builder().start()?;
    /// let handle = event_loop.handle().clone();
    /// let sent = std::thread::spawn(move || handle.spawn(async { 4 })).join().unwrap();
    /// assert_eq!({ sent }.wait().unwrap(), 4);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn handle(&self) -> &Handle {
        self.background.handle()
    }

    /// Lets the loop run until somebody [stops](Handle::stop) it, or the process ends.
    ///
    /// # Examples
    /// ```
    /// let handle = arborio::EventLoop::builder().start()?.detach();
    /// assert_eq!(handle.run(async { 1 }).unwrap(), 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn detach(self) -> Handle {
        self.background.detach()
    }

    /// [Stops](Handle::stop) the loop and blocks this thread until the loop's has ended, at most
    /// for `grace` and a tenth of a second if a task does not return from its poll, and for two seconds more
    /// if no poll holds it up, as on a machine that has no time for it. `grace`, on the loop's clock,
    /// is what the tasks have to clean up, instead of what the [options](LoopBuilder::grace) said.
    ///
    /// # Errors
    /// [`StopError::Forked`] if this is the child of a fork and the loop is its parent's, where it goes on;
    /// [`StopError::OnLoop`] if an Arborio loop runs on this thread: nobody waits then.
    /// [`StopError::Forced`] if tasks were dropped that had not ended in time;
    /// [`StopError::Panicked`] if a panic had ended the loop before; [`StopError::Running`] if the
    /// loop has not ended: a task does not return from its poll, or from a destructor.
    ///
    /// # Examples
    /// ```
    /// use arborio::{EventLoop, StopError, cancel::shield, task};
    /// use std::{future::pending, time::Duration};
    /// let event_loop = EventLoop::builder().start()?;
    /// let stubborn = task().name("mule").spawn_on(event_loop.handle(), shield(pending::<()>()));
    /// event_loop.run(async {}).unwrap(); // by now it has begun
    ///
    /// let Err(StopError::Forced(tree)) = event_loop.stop_and_join(Duration::from_millis(5)) else {
    ///     panic!("it cannot be asked");
    /// };
    /// assert!(tree.to_string().contains("mule"));
    /// # drop(stubborn);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias("shutdown_timeout", "shutdown"))]
    pub fn stop_and_join(self, grace: Duration) -> Result<(), StopError> {
        self.background.stop_and_join(grace)
    }
}

/// The owner has what every [`Handle`] has: `spawn`, `run`, `scope`, `stop`. A clone of it is a handle, and owns nothing.
///
/// # Examples
/// ```
/// let event_loop = arborio::EventLoop::builder().start()?;
/// let mut one = event_loop.spawn(async { 1 });
/// assert_eq!(one.wait()? + event_loop.run(async { 2 })?, 3);
///
/// let handle: arborio::Handle = event_loop.clone();
/// drop(event_loop);
/// assert!(handle.is_closed());
/// # std::io::Result::Ok(())
/// ```
impl Deref for EventLoop {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        self.handle()
    }
}

impl LoopBuilder {
    /// Starts the loop on a thread of its own, and returns when that is up.
    ///
    /// The loop does not end when it has nothing to do, but when it is stopped. By default the
    /// observer is told of a panic that nobody observes, and the other tasks go on.
    ///
    /// # Errors
    /// The system refuses a thread, or the name has a zero byte in it.
    ///
    /// # Examples
    /// ```
    /// let event_loop = arborio::EventLoop::builder().name("courier").start()?;
    /// let name = event_loop.run(async {
    ///     std::thread::current().name().map(str::to_owned)
    /// });
    /// assert_eq!(name.unwrap().unwrap(), "courier");
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn start(self) -> io::Result<EventLoop> {
        self.start_at(Location::caller())
    }

    /// As [`start`](Self::start), which was called at `place`.
    fn start_at(self, place: &'static Location<'static>) -> io::Result<EventLoop> {
        let name = self.name.clone().unwrap_or_else(|| "arborio".into());
        let on_panic = OnUnobservedPanic::Report;
        let background = Background::start(name, place, self.grace, move |owner| {
            self.drive_here(&*owner, on_panic, pending::<()>())
        })?;
        Ok(EventLoop { background })
    }
}
