//! What the tests share: logs, gates between threads, connected sockets, and
//! tests that need a process of their own.

use std::{
    fmt::Debug,
    fs,
    future::poll_fn,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};

pub(crate) use crate::limits::without_hanging;
use arborio::{
    EventLoop, LoopBuilder,
    net::{TcpListener, TcpStream},
    time::{Clock, Sleep, sleep},
};

/// Milliseconds.
pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Seconds.
pub(crate) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Longer than any test runs: a sleep that must not end.
pub(crate) const FOR_EVER: Duration = secs(1_000_000);

/// The options of a loop on a new simulated clock.
pub(crate) fn simulated() -> LoopBuilder {
    EventLoop::builder().clock(Clock::simulated())
}

/// What happened, in order. Clones write to the same log.
pub(crate) struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Log<T> {
    /// An empty log.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Vec::new())))
    }

    /// Writes a line.
    pub(crate) fn add(&self, line: T) {
        self.0.lock().unwrap().push(line);
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// All lines so far; the log is empty afterwards.
    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Notes the thread on which it is dropped.
pub(crate) struct DropProbe(Arc<Mutex<Vec<ThreadId>>>);

impl DropProbe {
    /// A probe, and where it will note its end.
    pub(crate) fn new() -> (Self, Arc<Mutex<Vec<ThreadId>>>) {
        let ends = Arc::new(Mutex::new(Vec::new()));
        (Self(Arc::clone(&ends)), ends)
    }
}

impl Drop for DropProbe {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(thread::current().id());
    }
}

/// A gate that tasks and threads wait for, opened once from anywhere.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<GateState>>);

#[derive(Default)]
struct GateState {
    open: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    /// Lets everybody through, now and later.
    pub(crate) fn open(&self) {
        let mut state = self.0.lock().unwrap();
        state.open = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ready once the gate is open.
    pub(crate) async fn passed(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock().unwrap();
            if state.open {
                return Poll::Ready(());
            }
            if !state.waiting.iter().any(|held| held.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

/// Polls once with a waker that does nothing.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A sleep that is armed, and due in two milliseconds: from now on it ends only
/// when the loop has looked at its timers, however late that is.
pub(crate) fn armed_sleep() -> Sleep {
    loop {
        let mut nap = sleep(ms(2));
        // Ready only if this thread was held up for so long.
        if poll_once(&mut nap).is_pending() {
            return nap;
        }
    }
}

/// Two ends of a connection.
pub(crate) async fn connected() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _peer) = listener.accept().await?;
    Ok((client, server))
}

/// Reads until the end of the stream.
pub(crate) async fn read_to_end(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Turns until `deadline`, without giving the processor away.
pub(crate) fn spin_until(deadline: Instant) {
    while Instant::now() < deadline {
        std::hint::spin_loop();
    }
}

/// A thread as the kernel names it, so that others can see what it does.
#[derive(Clone, Copy)]
pub(crate) struct KernelThread(u32);

impl KernelThread {
    /// The calling thread.
    pub(crate) fn current() -> Self {
        let path = fs::read_link("/proc/thread-self").unwrap();
        let id = path.file_name().unwrap().to_str().unwrap();
        Self(id.parse().unwrap())
    }

    /// That of this process with such a name, once it is there.
    pub(crate) fn named(name: &str) -> Self {
        loop {
            let all = fs::read_dir("/proc/self/task").unwrap();
            let named = all.map(|task| task.unwrap()).find(|task| {
                let own = fs::read_to_string(task.path().join("comm"));
                own.is_ok_and(|own| own.trim_end() == name)
            });
            if let Some(task) = named {
                return Self(task.file_name().to_str().unwrap().parse().unwrap());
            }
            thread::yield_now();
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(self, signal: Signal) {
        let process = rustix::process::getpid().as_raw_pid();
        // SAFETY: it takes three numbers.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, self.0, signal.as_raw()) };
        assert_eq!(sent, 0);
    }

    /// Returns when the thread sleeps in the kernel (or has ended).
    pub(crate) fn wait_until_asleep(self) {
        while self.state().is_some_and(|state| state != 'S') {
            thread::yield_now();
        }
    }

    /// The letter of the thread's state, `S` if it sleeps.
    fn state(self) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/self/task/{}/stat", self.0)).ok()?;
        let (_name, rest) = stat.rsplit_once(')')?;
        rest.trim_start().chars().next()
    }

    /// How often the thread has gone to sleep so far.
    pub(crate) fn sleeps(self) -> u64 {
        let path = format!("/proc/self/task/{}/status", self.0);
        let status = fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    }
}

/// What the panic in `body` said.
pub(crate) fn panic_message<R: Debug>(body: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(body)).unwrap_err();
    arborio::task::Payload::new(payload).message().to_owned()
}

/// Set in the processes that [`in_own_process`] starts.
const CHILD: &str = "ARBORIO_TEST_CHILD";

/// Arguments for this binary. Where a panic ends the process, a test binary runs each test in a child by itself,
/// and that is one more than whoever sends it signals knows of.
pub(crate) const IN_ONE_PROCESS: &[&str] = if cfg!(panic = "abort") {
    &["-Zunstable-options", "--force-run-in-process"]
} else {
    &[]
};

/// Runs `body` in a process in which no other test runs, for what is counted
/// by process: threads and descriptors. `name` is the test's full name. Returns
/// what the process wrote, or `None` in the process itself.
pub(crate) fn in_own_process(name: &str, body: impl FnOnce()) -> Option<Output> {
    in_own_process_with(name, &[], body)
}

/// The same with more variables in the environment of the process.
pub(crate) fn in_own_process_with(
    name: &str,
    environment: &[(&str, &str)],
    body: impl FnOnce(),
) -> Option<Output> {
    if std::env::var_os(CHILD).is_some() {
        body();
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .args(IN_ONE_PROCESS)
        .env(CHILD, "yes")
        .envs(environment.iter().copied());
    let output = output_of(command, name);
    let written = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && written.contains("1 passed"),
        "{name} failed in its own process:\n{written}\n{}",
        String::from_utf8_lossy(&output.stderr),
    );
    Some(output)
}

/// Longer than any process of a test takes, and less than what `cargo xtask test` allows.
const PATIENCE: Duration = secs(200);

/// What the process writes, and how it ends. One that does not is killed, and that is a failure.
fn output_of(mut command: Command, name: &str) -> Output {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let process = Pid::from_child(&child);
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || drop(sender.send(child.wait_with_output())));
    if let Ok(output) = receiver.recv_timeout(PATIENCE) {
        return output.unwrap();
    }
    // It has not been waited for, so no other process has its number.
    kill_process(process, Signal::KILL).unwrap();
    let output = receiver.recv().unwrap().unwrap();
    let written = String::from_utf8_lossy(&output.stdout);
    panic!("{name} hangs in its own process, which has written:\n{written}");
}

/// How many descriptors this process has open.
pub(crate) fn open_descriptors() -> usize {
    // The directory that is being read is open, too.
    fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// How many threads this process has, but for the watchdog, which stays once a loop has run.
pub(crate) fn threads() -> usize {
    let others = fs::read_dir("/proc/self/task").unwrap().filter(|task| {
        let name = fs::read_to_string(task.as_ref().unwrap().path().join("comm"));
        // One that has just ended has no name any more.
        name.is_ok_and(|name| !name.starts_with("arborio-watchdo")) // the kernel keeps 15 bytes
    });
    others.count()
}

/// Returns when there are so many [`threads`]: one has its name, and is gone, a moment later than others know.
#[track_caller]
pub(crate) fn threads_become(wanted: usize) {
    let start = std::time::Instant::now();
    while threads() != wanted {
        assert!(
            start.elapsed().as_secs() < 10,
            "{} threads, not {wanted}",
            threads()
        );
        std::thread::yield_now();
    }
}

/// Lets this process have no more memory than it has, but for `more` bytes: then the system refuses
/// threads for whose stacks that is not enough.
pub(crate) fn limit_memory(more: u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    let bytes = kilobytes.parse::<u64>().unwrap() << 10;
    set_memory_limit(Some(bytes + more));
}

/// Takes the limit of [`limit_memory`] away.
pub(crate) fn unlimit_memory() {
    set_memory_limit(None);
}

fn set_memory_limit(bytes: Option<u64>) {
    let mut limit = getrlimit(Resource::As);
    limit.current = bytes.or(limit.maximum);
    setrlimit(Resource::As, limit).unwrap();
}
