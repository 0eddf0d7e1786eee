//! What the tests share: connected pairs, a crowd of futures, and children.

use std::{
    path::PathBuf,
    pin::Pin,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use arborio_net::{TcpListener, TcpStream, UnixStream};
use futures_lite::future::{block_on, poll_fn};

/// Longer than anything here may take; a test that reaches it has hung.
pub(crate) const FOREVER: Duration = Duration::from_secs(20);

/// A connection: our end, and the blocking end of somebody else.
pub(crate) fn pair() -> (TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let ours = TcpStream::try_from(listener.accept().unwrap().0).unwrap();
    (ours, peer)
}

/// A listener on a free port.
pub(crate) fn listener() -> TcpListener {
    block_on(TcpListener::bind("127.0.0.1:0")).unwrap()
}

/// A directory of its own for the files of one test, gone when it is dropped.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let name = format!("arborio-net-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// The path of the file `name`.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A Unix connection: our end, and the blocking end of somebody else.
pub(crate) fn unix_pair() -> (UnixStream, std::os::unix::net::UnixStream) {
    let (ours, peer) = std::os::unix::net::UnixStream::pair().unwrap();
    (UnixStream::try_from(ours).unwrap(), peer)
}

/// Runs `future`, and panics when it takes too long.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    block_on(async {
        let mut future = std::pin::pin!(future);
        let mut hung = std::pin::pin!(arborio_timers::sleep(FOREVER));
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            assert!(hung.as_mut().poll(cx).is_pending(), "it hangs");
            Poll::Pending
        })
        .await
    })
}

/// Futures that run together in one task.
#[derive(Default)]
pub(crate) struct Crowd<'a>(Vec<Pin<Box<dyn Future<Output = ()> + 'a>>>);

impl<'a> Crowd<'a> {
    pub(crate) fn add(&mut self, future: impl Future<Output = ()> + 'a) {
        self.0.push(Box::pin(future));
    }

    /// Polls everybody; ready when nobody is left.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        match self.0.is_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
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

/// FNV-1a, to compare what was sent with what came.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Bytes without a short period.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}

/// How many descriptors this process has.
pub(crate) fn open_descriptors() -> usize {
    // The listing itself is one of them.
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// The variable that tells a child which test it is to run.
const CHILD: &str = "ARBORIO_TEST_CHILD";

/// Whether this process is the child that runs `test`.
pub(crate) fn is_child(test: &str) -> bool {
    std::env::var(CHILD).is_ok_and(|name| name == test)
}

/// Runs `body` in a process of its own, where no other test opens descriptors
/// or minds a limit. `test` is the path of the calling test.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    alone_under(&[], test, body);
}

/// As [`alone`], with the child started by `wrapper`.
pub(crate) fn alone_under(wrapper: &[&str], test: &str, body: impl FnOnce()) {
    if is_child(test) {
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
    let probe = std::fs::File::open("/dev/null").unwrap();
    u64::try_from(probe.as_raw_fd()).unwrap()
}

/// Gives `SIGPIPE` its default effect, which is to end the process.
#[allow(unsafe_code, reason = "signal dispositions have no safe interface")]
pub(crate) fn reset_sigpipe() {
    // SAFETY: no handler is installed; the default disposition is always valid.
    let old = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    assert_ne!(old, libc::SIG_ERR);
}
