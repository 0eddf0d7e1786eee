//! What the tests share: executors of a few lines, and children to be maimed.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    os::unix::net::UnixStream,
    pin::pin,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use arborio_base::WakeBatch;
use arborio_reactor::LoopReactor;

/// Longer than anything here may take; a test that reaches it has hung.
pub(crate) const FOREVER: Duration = Duration::from_secs(20);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs `future` on this thread, which drives no reactor: the background
/// thread has to.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    let start = Instant::now();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        assert!(start.elapsed() < FOREVER, "nobody wakes the future");
        thread::park_timeout(FOREVER);
    }
}

/// Runs `future` on this thread, which drives `reactor`.
pub(crate) fn run<F: Future>(reactor: &LoopReactor, future: F) -> F::Output {
    let _here = reactor.enter();
    let woken = Count::new();
    let waker = woken.waker();
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    let start = Instant::now();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        let seen = woken.get();
        while woken.get() == seen {
            assert!(start.elapsed() < FOREVER, "nobody wakes the future");
            reactor.wait(Some(FOREVER)).unwrap();
            turn(reactor);
        }
    }
}

/// Hands out what the last wait brought, and calls the wakers.
pub(crate) fn turn(reactor: &LoopReactor) -> usize {
    let mut batch = WakeBatch::new();
    reactor.dispatch(&mut batch);
    batch.wake_all()
}

/// Collects and hands out what there is now, without waiting.
pub(crate) fn turn_now(reactor: &LoopReactor) -> usize {
    reactor.wait(Some(Duration::ZERO)).unwrap();
    turn(reactor)
}

/// A task that counts its wakes.
#[derive(Default)]
pub(crate) struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Arc::clone(self).into()
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A reactor whose notifier nobody wants.
pub(crate) fn reactor() -> LoopReactor {
    LoopReactor::new(|_| ())
}

/// The ends of a stream socket, the second of them blocking.
pub(crate) fn socket_pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

/// Writes into `fd` until it takes no more; returns how much it took.
pub(crate) fn fill(fd: impl AsFd) -> usize {
    let chunk = [7; 4096];
    let mut total = 0;
    loop {
        match rustix::io::write(&fd, &chunk) {
            Ok(count) => total += count,
            Err(rustix::io::Errno::AGAIN) => return total,
            Err(error) => panic!("{error}"),
        }
    }
}

/// How many descriptors this process has.
pub(crate) fn open_descriptors() -> usize {
    // The listing itself is one of them.
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// The names of the kernel objects behind this process's descriptors.
pub(crate) fn descriptor_names() -> Vec<String> {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect()
}

/// The variable that tells a child which test it is to run.
const CHILD: &str = "ARBORIO_TEST_CHILD";

/// Runs `body` in a process of its own, where no other test opens descriptors,
/// starts threads or minds a limit. `test` is the path of the calling test.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    alone_under(&[], test, body);
}

/// As [`alone`], with the child started by `wrapper`.
pub(crate) fn alone_under(wrapper: &[&str], test: &str, body: impl FnOnce()) {
    if std::env::var(CHILD).is_ok_and(|name| name == test) {
        return body();
    }
    let me = std::env::current_exe().unwrap();
    let mut words: Vec<_> = wrapper.iter().map(Into::into).collect();
    words.push(me.into_os_string());
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, test);
    if !wrapper.is_empty() {
        // LeakSanitizer traces the process, and strace does so already.
        command.env("ASAN_OPTIONS", "detect_leaks=0");
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let cried = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{cried}");
    assert!(said.contains("1 passed"), "no test {test}: {said}");
}

/// Lowers the limit of descriptors to `limit`, and returns the old one.
pub(crate) fn limit_descriptors(limit: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let old = getrlimit(Resource::Nofile);
    let new = Rlimit {
        current: Some(limit),
        ..old
    };
    setrlimit(Resource::Nofile, new).unwrap();
    old.current.unwrap_or(1024)
}

/// The number that the next descriptor gets, so a limit of it allows no more.
pub(crate) fn next_descriptor() -> u64 {
    use std::os::fd::AsRawFd;
    let probe = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    u64::try_from(probe.as_raw_fd()).unwrap()
}

/// The error's number.
pub(crate) fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}
