//! The reactor that one event loop owns and drives.

use std::{
    cell::{Cell, OnceCell, RefCell},
    fmt, io,
    marker::PhantomData,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use arborio_base::WakeBatch;

use crate::{
    helper::ReactorHelper,
    home::{DrivenBy, Home, NOTIFIER},
    notifier::Notifier,
    pump::Pump,
};

thread_local! {
    /// The reactor that sources of this thread register with.
    static CURRENT: RefCell<Option<Rc<Opening>>> = const { RefCell::new(None) };
}

/// The reactor of one event loop: it watches the descriptors that are
/// registered while the loop runs, and the loop drives it.
///
/// It is lazy: until the first descriptor is registered on its thread, or the
/// first [`wait`](Self::wait) with a timeout other than zero, it holds no
/// descriptor and makes no system call.
///
/// A turn of the loop is: [`wait`](Self::wait), [`dispatch`](Self::dispatch),
/// [`WakeBatch::wake_all`]. Dropping the reactor wakes everybody who waits for
/// one of its sources; those sources move to another reactor when they are
/// polled next.
///
/// # Examples
/// ```
/// use arborio_base::WakeBatch;
/// use arborio_reactor::{Async, LoopReactor};
/// use std::{os::unix::net::UnixStream, time::Duration};
///
/// let reactor = LoopReactor::new(|_notifier| ());
/// let _here = reactor.enter();
/// assert!(!reactor.is_open());
///
/// let (one, _other) = UnixStream::pair()?;
/// let _socket = Async::new(one)?;
/// assert!(reactor.is_open());
/// assert_eq!(reactor.interest_count(), 1);
///
/// reactor.wait(Some(Duration::ZERO))?;
/// let woken = reactor.dispatch(&mut WakeBatch::new());
/// assert_eq!(woken, 0, "nobody waits for the socket");
/// # std::io::Result::Ok(())
/// ```
pub struct LoopReactor {
    opening: Rc<Opening>,
}

/// What the thread-local shares with the reactor.
struct Opening {
    /// Called when the reactor opens.
    on_open: Cell<Option<OnOpen>>,
    /// Filled when the reactor opens.
    opened: OnceCell<Opened>,
    /// For those who look for it while it cannot; made when somebody asks.
    helper: OnceCell<ReactorHelper>,
    /// Set when the owner is gone, whoever else still knows this.
    has_ended: Cell<bool>,
}

type OnOpen = Box<dyn FnOnce(&Arc<Notifier>)>;

struct Opened {
    home: Arc<Home>,
    notifier: Arc<Notifier>,
    /// Borrowed in `wait` and `dispatch`, which call nobody outside.
    pump: RefCell<Option<Pump>>,
}

impl LoopReactor {
    /// A reactor that is not open yet.
    ///
    /// `on_open` is called once, on this thread, when the reactor opens: from
    /// then on the loop can be woken from its [`wait`](Self::wait) by the
    /// notifier that `on_open` is given.
    ///
    /// # Examples
    /// ```
    /// use arborio_reactor::LoopReactor;
    /// use std::{cell::Cell, rc::Rc};
    /// let opened = Rc::new(Cell::new(false));
    /// let seen = Rc::clone(&opened);
    /// let reactor = LoopReactor::new(move |_notifier| seen.set(true));
    /// assert!(!opened.get());
    /// reactor.open()?;
    /// assert!(opened.get());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new(on_open: impl FnOnce(&Arc<Notifier>) + 'static) -> Self {
        Self {
            opening: Rc::new(Opening {
                on_open: Cell::new(Some(Box::new(on_open))),
                opened: OnceCell::new(),
                helper: OnceCell::new(),
                has_ended: Cell::new(false),
            }),
        }
    }

    /// Makes this the reactor of the current thread until the guard is
    /// dropped, which brings the previous one back.
    ///
    /// # Examples
    /// ```
    /// use arborio_reactor::LoopReactor;
    /// let (outer, inner) = (LoopReactor::new(|_| ()), LoopReactor::new(|_| ()));
    /// let _outside = outer.enter();
    /// drop(inner.enter());
    /// let (reader, _writer) = std::io::pipe()?;
    /// let _source = arborio_reactor::Async::new(reader)?;
    /// assert!(outer.is_open() && !inner.is_open());
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use = "dropping the guard leaves the reactor again"]
    pub fn enter(&self) -> EnteredReactor<'_> {
        let here = Rc::clone(&self.opening);
        let previous = CURRENT
            .try_with(|current| current.borrow_mut().replace(here))
            .ok()
            .flatten();
        EnteredReactor {
            previous,
            reactor: PhantomData,
        }
    }

    /// Whether the reactor holds descriptors.
    ///
    /// # Examples
    /// ```
    /// assert!(!arborio_reactor::LoopReactor::new(|_| ()).is_open());
    /// ```
    pub fn is_open(&self) -> bool {
        self.opening.opened.get().is_some()
    }

    /// Opens the reactor if it is not, and returns the notifier that ends a
    /// [`wait`](Self::wait) from another thread.
    ///
    /// # Errors
    /// Those of the system that refuses an epoll or an eventfd. Nothing is
    /// left behind, and the next call tries again.
    ///
    /// # Examples
    /// ```
    /// let reactor = arborio_reactor::LoopReactor::new(|_| ());
    /// reactor.open()?.wake()?;
    /// reactor.wait(None)?;
    /// assert!(reactor.is_open());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn open(&self) -> io::Result<&Arc<Notifier>> {
        self.opening.open().map(|opened| &opened.notifier)
    }

    /// What lets another thread look for ready sources while the loop is held up. It does nothing before the reactor
    /// opens, and after its end.
    ///
    /// # Examples
    /// ```
    /// use arborio_base::WakeBatch;
    /// let reactor = arborio_reactor::LoopReactor::new(|_| ());
    /// let helper = reactor.helper();
    /// reactor.open()?;
    /// assert_eq!(helper.look(&mut WakeBatch::new()), 0, "nothing is registered");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn helper(&self) -> ReactorHelper {
        let opening = &self.opening;
        let helper = opening.helper.get_or_init(ReactorHelper::default);
        if let Some(opened) = opening.opened.get() {
            helper.learn(&opened.home);
        }
        helper.clone()
    }

    /// Has the next [`wait`](Self::wait) end as well when the kernel has something to say of the sources of the
    /// reactor of `helper`, or has already; once. Opens this reactor. False if that cannot be had: then nothing has changed.
    ///
    /// Until [`leave`](Self::leave). Two reactors never attend each other at a time: the system refuses that.
    ///
    /// # Examples
    /// ```
    /// use arborio_reactor::LoopReactor;
    /// let (held_up, idle) = (LoopReactor::new(|_| ()), LoopReactor::new(|_| ()));
    /// let helper = held_up.helper();
    /// held_up.open()?.wake()?;
    /// assert!(idle.attend(&helper));
    /// idle.wait(None)?; // returns at once
    /// idle.leave(&helper);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn attend(&self, helper: &ReactorHelper) -> bool {
        let Some(other) = helper.home() else {
            return false;
        };
        let opened = self.opening.open();
        opened.is_ok_and(|opened| opened.home.attend(other))
    }

    /// Takes [`attend`](Self::attend) back.
    ///
    /// # Examples
    /// See [`attend`](Self::attend).
    pub fn leave(&self, helper: &ReactorHelper) {
        if let Some(opened) = self.opening.opened.get()
            && let Some(other) = helper.home()
        {
            opened.home.leave(other);
        }
    }

    /// How many descriptors are registered.
    ///
    /// While there is one, the world outside may have something to say, and a
    /// virtual clock should not jump.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_reactor::LoopReactor::new(|_| ()).interest_count(), 0);
    /// ```
    pub fn interest_count(&self) -> usize {
        let opened = self.opening.opened.get();
        opened.map_or(0, |opened| opened.home.len())
    }

    /// As [`interest_count`](Self::interest_count), for statistics: takes no lock, and may be a moment old.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_reactor::LoopReactor::new(|_| ()).descriptors(), 0);
    /// ```
    pub fn descriptors(&self) -> usize {
        let opened = self.opening.opened.get();
        opened.map_or(0, |opened| opened.home.count())
    }

    /// Waits for events, for `timeout` (`None`: until there is one), or until
    /// the notifier is called. The events are kept for
    /// [`dispatch`](Self::dispatch).
    ///
    /// A timeout is met with the precision of the kernel's timers, not rounded
    /// to milliseconds, unless the system refuses a timer descriptor. A wait
    /// may end early and without events: after a signal, or when a timer of an
    /// earlier wait expires. A timeout of zero arms nothing and, on a reactor
    /// that is not open, does nothing.
    ///
    /// # Errors
    /// Those of [`open`](Self::open) and of `epoll_wait`, except an
    /// interruption by a signal, which is no error; and one that says so in
    /// the child of a forked process.
    ///
    /// # Panics
    /// If it is called from within itself, which no waker can do.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    /// let reactor = arborio_reactor::LoopReactor::new(|_| ());
    /// let (start, pause) = (Instant::now(), Duration::from_micros(300));
    /// while start.elapsed() < pause {
    ///     reactor.wait(Some(pause.saturating_sub(start.elapsed())))?;
    /// }
    /// assert!(reactor.is_open());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) && !self.is_open() {
            return Ok(());
        }
        let opened = self.opening.open()?;
        match &mut *opened.pump.borrow_mut() {
            Some(pump) => pump.wait(timeout),
            None => Ok(()),
        }
    }

    /// Marks the sources of the collected events as ready and moves the
    /// wakers of those who wait for them into `batch`, in the order of the
    /// events. Calls none of them. Returns how many there were.
    ///
    /// # Examples
    /// ```
    /// use arborio_base::WakeBatch;
    /// let reactor = arborio_reactor::LoopReactor::new(|_| ());
    /// assert_eq!(reactor.dispatch(&mut WakeBatch::new()), 0);
    /// ```
    pub fn dispatch(&self, batch: &mut WakeBatch) -> usize {
        let Some(opened) = self.opening.opened.get() else {
            return 0;
        };
        match &mut *opened.pump.borrow_mut() {
            Some(pump) => pump.dispatch(batch),
            None => 0,
        }
    }
}

impl Drop for LoopReactor {
    fn drop(&mut self) {
        self.opening.has_ended.set(true);
        let opened = self.opening.opened.get();
        // Taken out first: the wakers that are called at its end may look here.
        let pump = opened.and_then(|opened| opened.pump.borrow_mut().take());
        drop(pump);
    }
}

impl fmt::Debug for LoopReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopReactor")
            .field("is_open", &self.is_open())
            .field("interest_count", &self.interest_count())
            .finish()
    }
}

impl Opening {
    fn open(&self) -> io::Result<&Opened> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        self.open_now()
    }

    #[cold]
    fn open_now(&self) -> io::Result<&Opened> {
        let pump = Pump::open(DrivenBy::ItsLoop)?;
        let notifier = Arc::new(Notifier::new(pump.registry(), NOTIFIER)?);
        pump.home().end_wait_by(&notifier);
        let opened = self.opened.get_or_init(|| Opened {
            home: Arc::clone(pump.home()),
            notifier,
            pump: RefCell::new(Some(pump)),
        });
        if let Some(helper) = self.helper.get() {
            helper.learn(&opened.home);
        }
        if let Some(on_open) = self.on_open.take() {
            on_open(&opened.notifier);
        }
        Ok(opened)
    }
}

/// While it lives, a [`LoopReactor`] is the reactor of the current thread.
#[must_use = "dropping the guard leaves the reactor again"]
pub struct EnteredReactor<'a> {
    previous: Option<Rc<Opening>>,
    reactor: PhantomData<&'a LoopReactor>,
}

impl Drop for EnteredReactor<'_> {
    fn drop(&mut self) {
        let previous = self.previous.take();
        let left = CURRENT.try_with(|current| current.replace(previous));
        drop(left);
    }
}

impl fmt::Debug for EnteredReactor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnteredReactor").finish_non_exhaustive()
    }
}

/// Whether `home` is the table of the current thread's reactor.
pub(crate) fn is_current(home: &Home) -> bool {
    let is_it = |opening: &Rc<Opening>| {
        let opened = opening.opened.get();
        opened.is_some_and(|opened| std::ptr::eq(&*opened.home, home))
    };
    CURRENT
        .try_with(|current| current.borrow().as_ref().is_some_and(is_it))
        .unwrap_or(false)
}

/// The table of the current thread's reactor, opened if need be. `None` if
/// there is no reactor, or its guard was forgotten and it has ended.
pub(crate) fn current_home() -> Option<io::Result<Arc<Home>>> {
    let current = CURRENT
        .try_with(|current| current.borrow().clone())
        .ok()
        .flatten()
        .filter(|opening| !opening.has_ended.get())?;
    Some(current.open().map(|opened| Arc::clone(&opened.home)))
}
