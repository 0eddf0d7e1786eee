//! The threads of a pool: how one is started, what it does, and how it makes room for another.
//!
//! All decisions are made by the [`Roster`] under one lock; what they ask for (a letter, a new
//! thread, a job that ends) is done after the lock was given back. A job whose stage says that
//! it has ended is not run (see `job.rs`), so it does no harm that a thread may get an order
//! that a closing pool has ended in between.

use std::{
    cell::RefCell,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use arborio_base::{Process, drop_contained, sync::thread_local};
use arborio_task::Interrupt;
use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{
    super::awake::Awake,
    job::Order,
    roster::{Closing, Letter, Next, Number, Placed, Refused, Roster, Turn},
};

type AnyOrder = Arc<dyn Order>;

thread_local! {
    /// Where this thread works, if it is one of a pool.
    static POST: RefCell<Option<Post>> = const { RefCell::new(None) };
}

/// The place of a thread in its crew.
#[derive(Clone)]
struct Post {
    crew: Arc<Crew>,
    number: Number,
}

/// The threads of one pool, and what they share.
pub(super) struct Crew {
    roster: Mutex<Roster<AnyOrder>>,
    /// A thread that had something to do has left.
    left: Condvar,
    ways: Ways,
    /// Whether a thread that waits for an order stays awake. One is enough: the next order goes to who was ready last.
    somebody_is_awake: AtomicBool,
    /// Where its threads are.
    process: Process,
}

/// How the threads of a pool are made, and when they leave.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    pub(super) name: String,
    pub(super) idle_timeout: Duration,
    /// In bytes; `None` takes what the standard library takes.
    pub(super) stack_size: Option<usize>,
}

impl Crew {
    pub(super) fn new(max: usize, ways: Ways) -> Self {
        Self {
            roster: Mutex::new(Roster::new(max)),
            left: Condvar::new(),
            ways,
            somebody_is_awake: AtomicBool::new(false),
            process: Process::watched(),
        }
    }

    /// The standard library's lock, in models too: they look at jobs, and not at crews.
    fn roster(&self) -> MutexGuard<'_, Roster<AnyOrder>> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many threads there are.
    pub(super) fn threads(&self) -> usize {
        if self.process.is_this() {
            self.roster().threads()
        } else {
            0
        }
    }

    /// How many of them have nothing to do.
    pub(super) fn idle_threads(&self) -> usize {
        if self.process.is_this() {
            self.roster().ready()
        } else {
            0
        }
    }

    /// Whether its threads are those of the process from which this one was forked.
    pub(super) fn is_elsewhere(&self) -> bool {
        !self.process.is_this()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_elsewhere() || self.roster().is_closed()
    }

    /// Has `order` run as soon as there is a thread for it.
    pub(super) fn take_in(self: &Arc<Self>, order: AnyOrder) {
        if let Err(error) = self.process.check() {
            // The lock may be that of a thread that is not here, and for ever.
            order.end(Interrupt::NoThread(Arc::new(error)));
            return;
        }
        let taken = self.roster().take_in(order);
        match taken {
            Ok(placed) => self.carry_out(placed),
            Err(order) => {
                order.end(Interrupt::Closed);
            }
        }
    }

    fn carry_out(self: &Arc<Self>, placed: Placed<AnyOrder>) {
        match placed {
            Placed::Nothing => {}
            Placed::Deliver(mailbox, order) => deliver(&mailbox, Letter::Order(order)),
            Placed::Start(number, order, mailbox) => self.start(number, order, mailbox),
        }
    }

    fn start(
        self: &Arc<Self>,
        number: Number,
        first: AnyOrder,
        mailbox: Receiver<Letter<AnyOrder>>,
    ) {
        let mut thread = thread::Builder::new().name(self.ways.name.clone());
        if let Some(bytes) = self.ways.stack_size {
            thread = thread.stack_size(bytes);
        }
        let post = Post {
            crew: Arc::clone(self),
            number,
        };
        if let Err(error) = thread.spawn(move || work(post, first, &mailbox)) {
            self.refused(number, error);
        }
    }

    /// The system would not start thread `number`.
    #[cold]
    fn refused(&self, number: Number, error: io::Error) {
        let refused = self.roster().refused(number);
        self.left.notify_all();
        match refused {
            Refused::Waits => {}
            Refused::Deliver(mailbox, order) => deliver(&mailbox, Letter::Order(order)),
            Refused::Nobody(orders) => {
                let error = Arc::new(error);
                for order in orders {
                    order.end(Interrupt::NoThread(Arc::clone(&error)));
                }
            }
        }
    }

    /// Ends what has not begun, and tells the rest. Nothing is taken in from now on.
    pub(super) fn close(&self) {
        let Closing { ready, orders } = self.roster().close();
        for mailbox in ready {
            deliver(&mailbox, Letter::Leave);
        }
        for order in orders {
            order.close();
        }
    }

    /// Waits for the threads of a closed pool, at most for `grace`. Then the jobs that still
    /// run are given up; says how many there were. A thread of the pool does not wait for itself.
    pub(super) fn wait_for_all(self: &Arc<Self>, grace: Duration) -> usize {
        let post = Post::here().filter(|post| Arc::ptr_eq(&post.crew, self));
        let own = post.map(|post| post.number);
        let others = |roster: &mut Roster<_>| roster.threads() > usize::from(own.is_some());
        let (roster, _) = self
            .left
            .wait_timeout_while(self.roster(), grace, others)
            .unwrap_or_else(PoisonError::into_inner);
        let orders = roster.orders_at_work(own);
        drop(roster);
        let given_up = orders.iter().filter(|order| order.end(Interrupt::Stopped));
        given_up.count()
    }

    /// Thread `number` begins with the order that it was called or started for.
    fn begins(self: &Arc<Self>, number: Number) {
        let placed = self.roster().begins(number);
        self.carry_out(placed);
    }

    /// What thread `number` does next.
    fn ended(&self, number: Number) -> Next<AnyOrder> {
        let next = self.roster().ended(number);
        if matches!(next, Next::Leave) {
            self.left.notify_all();
        }
        next
    }

    /// The next order, or `None` if the thread has to leave.
    fn wait_for_order(
        self: &Arc<Self>,
        number: Number,
        mailbox: &Receiver<Letter<AnyOrder>>,
        awake: &mut Awake,
    ) -> Option<AnyOrder> {
        self.stay_awake(mailbox, awake);
        let start = Instant::now();
        loop {
            let letter = match mailbox.recv_timeout(self.ways.idle_timeout) {
                Ok(letter) => letter,
                Err(RecvTimeoutError::Timeout) if self.roster().idle_is_over(number) => {
                    return None;
                }
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => {
                    unreachable!("the roster has the other end until the thread leaves")
                }
            };
            return match letter {
                Letter::Order(order) => {
                    awake.note_sleep(start.elapsed());
                    self.begins(number);
                    Some(order)
                }
                Letter::Leave => None,
            };
        }
    }

    /// Waits for a letter without sleeping, if it is likely to come soon.
    fn stay_awake(&self, mailbox: &Receiver<Letter<AnyOrder>>, awake: &mut Awake) {
        // Relaxed: it says nothing about anything else.
        if awake.is_worth_it() && !self.somebody_is_awake.swap(true, Ordering::Relaxed) {
            awake.wait(|| !mailbox.is_empty());
            self.somebody_is_awake.store(false, Ordering::Relaxed);
        }
    }
}

/// Writes to a thread that was taken off the list of the ready.
fn deliver(mailbox: &crossbeam_channel::Sender<Letter<AnyOrder>>, letter: Letter<AnyOrder>) {
    let sent = mailbox.try_send(letter);
    sent.expect("a thread that is off the list waits for its letter, and its mailbox is empty");
}

/// What a thread of a pool does.
fn work(post: Post, first: AnyOrder, mailbox: &Receiver<Letter<AnyOrder>>) {
    let Post { crew, number } = post.clone();
    POST.with(|here| *here.borrow_mut() = Some(post));
    crew.begins(number);
    let mut order = first;
    let mut awake = Awake::new();
    loop {
        Arc::clone(&order).run();
        let next = crew.ended(number);
        drop_contained(order); // a value that nobody wants goes with it
        order = match next {
            Next::Order(order) => order,
            Next::Leave => return,
            Next::Wait => match crew.wait_for_order(number, mailbox, &mut awake) {
                Some(order) => order,
                None => return,
            },
        };
    }
}

impl Post {
    /// Where this thread works.
    fn here() -> Option<Self> {
        POST.try_with(|post| post.borrow().clone()).ok().flatten()
    }
}

/// While this lives, the thread of a pool that has made it does not count: another one may
/// work for it. The last job of a pool may wait for one that waits for a thread.
pub(super) struct Aside {
    post: Post,
    /// Of which order this speaks.
    turn: Turn,
}

impl Aside {
    /// `None` if this is not the thread of a pool.
    pub(super) fn step() -> Option<Self> {
        let post = Post::here()?;
        let (turn, placed) = post.crew.roster().step_aside(post.number);
        post.crew.carry_out(placed);
        Some(Self { post, turn })
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let Post { crew, number } = &self.post;
        let surplus = crew.roster().step_back(*number, self.turn);
        if let Some(mailbox) = surplus {
            deliver(&mailbox, Letter::Leave);
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// One whose waits were short lately.
    fn quick(mut awake: Awake) -> Awake {
        (0..4).for_each(|_| awake.note_sleep(Duration::ZERO));
        awake
    }

    /// With one processor nobody does.
    #[test]
    fn one_thread_waits_awake_if_its_last_waits_were_short() {
        let ways = Ways {
            name: String::new(),
            idle_timeout: Duration::ZERO,
            stack_size: None,
        };
        let crew = Crew::new(1, ways);
        let several = quick(Awake::new()).is_worth_it();
        let (letters, mailbox) = crossbeam_channel::bounded(1);
        let after = |mut awake: Awake| {
            crew.stay_awake(&mailbox, &mut awake);
            awake
        };
        let first = after(Awake::new());
        assert_eq!(quick(first).is_worth_it(), several, "it did not try");
        let tried = after(quick(Awake::new()));
        assert!(!tried.is_worth_it(), "it was in vain");
        crew.somebody_is_awake.store(true, Ordering::Relaxed);
        let second = after(quick(Awake::new()));
        assert_eq!(second.is_worth_it(), several, "one is enough");
        crew.somebody_is_awake.store(false, Ordering::Relaxed);
        assert!(letters.try_send(Letter::Leave).is_ok());
        // A thread that loses its processor seems to have waited in vain.
        let finds = || after(quick(Awake::new())).is_worth_it() == several;
        assert!((0..100).any(|_| finds()));
        assert!(!crew.somebody_is_awake.load(Ordering::Relaxed));
    }
}
