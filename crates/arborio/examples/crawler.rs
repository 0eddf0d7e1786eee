//! A crawler that follows links: four pages at once, each with its own time, retries with
//! growing pauses, and a time for all of it.
//!
//! It brings the servers that it crawls. Some of them misbehave, and still the table at the end is the
//! same each time.

use std::{
    collections::{BTreeSet, VecDeque},
    future::pending,
    io,
};

use arborio::{
    Interrupt, Pool, Scope, TaskGroup,
    cancel::move_on_at,
    net::{TcpListener, TcpStream},
    time::{Duration, Instant, sleep, timeout},
};

/// So many pages are fetched at a time.
const AT_ONCE: usize = 4;
/// One attempt may take so long.
const PATIENCE: Duration = Duration::from_millis(600);
/// The crawl may take so long.
const ALL_IN_ALL: Duration = Duration::from_secs(3);
const ATTEMPTS: u32 = 3;
/// The pause after the first attempt; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(20);
/// No page may be longer.
const LONGEST: usize = 4096;

/// Why an attempt has failed.
struct Failure {
    why: String,
    /// How long to wait at least before another attempt, if one may help.
    again: Option<Duration>,
}

impl Failure {
    /// The next attempt may do better.
    fn passing(why: impl ToString) -> Self {
        let (why, again) = (why.to_string(), Some(Duration::ZERO));
        Self { why, again }
    }

    /// The next attempt would do no better.
    fn lasting(why: &str) -> Self {
        let (why, again) = (why.to_owned(), None);
        Self { why, again }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::passing(error)
    }
}

/// What has become of a page.
struct Visit {
    url: String,
    attempts: u32,
    /// The page, or why there is none; `None`: the time for all was over.
    ended: Option<Result<String, String>>,
}

/// One attempt, without a limit of time.
async fn fetch(url: &str) -> Result<String, Failure> {
    let rest = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'));
    let (host, path) = rest.ok_or(Failure::lasting("no URL"))?;
    let stream = TcpStream::connect(host).await?;
    let request = format!("GET /{path} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (mut answer, mut chunk) = (Vec::new(), [0; 512]);
    loop {
        if let Some(page) = parse(&answer)? {
            return Ok(page);
        }
        match stream.read(&mut chunk).await? {
            0 => return Err(Failure::passing("closed too early")),
            length => answer.extend_from_slice(&chunk[..length]),
        }
    }
}

/// The body of an answer; `None` if it is not complete.
fn parse(answer: &[u8]) -> Result<Option<String>, Failure> {
    if answer.len() > LONGEST {
        return Err(Failure::lasting("the answer has no end"));
    }
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Ok(None);
    };
    let number = |name| {
        head.lines()
            .find_map(|line| line.strip_prefix(name)?.parse().ok())
    };
    if let Some(seconds) = number("Retry-After: ") {
        let (why, again) = ("busy".into(), Some(Duration::from_secs(seconds)));
        return Err(Failure { why, again });
    }
    let length = number("Content-Length: ").ok_or(Failure::lasting("no length"))?;
    Ok((body.len() as u64 >= length).then(|| body.to_owned()))
}

/// Tries again where that may help.
async fn fetch_patiently(url: &str, attempts: &mut u32) -> Result<String, String> {
    let mut pause = PAUSE;
    loop {
        *attempts += 1;
        let failure = match timeout(PATIENCE, fetch(url)).await {
            Ok(Ok(page)) => return Ok(page),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::passing("no answer in time"),
        };
        let Some(asked) = failure.again.filter(|_| *attempts < ATTEMPTS) else {
            return Err(failure.why);
        };
        sleep(pause.max(asked)).await;
        pause *= 2;
    }
}

async fn visit(url: String, deadline: Instant) -> Visit {
    let mut attempts = 0;
    let ended = move_on_at(deadline, fetch_patiently(&url, &mut attempts)).await;
    Visit {
        url,
        attempts,
        ended,
    }
}

/// Visits `start` and whatever is linked from there, each page once.
async fn crawl(start: String) -> Result<Vec<Visit>, Interrupt> {
    let deadline = Instant::now() + ALL_IN_ALL;
    let (mut known, mut waiting) = (BTreeSet::from([start.clone()]), VecDeque::from([start]));
    let (group, mut visits) = (TaskGroup::new(), Vec::new());
    let mut ends = group.exhaust();
    loop {
        while group.len() < AT_ONCE
            && let Some(url) = waiting.pop_front()
        {
            group.spawn(visit(url, deadline)); // a task, on any worker
        }
        let Some(member) = ends.next().await else {
            return Ok(visits); // nobody is under way, and nobody waits
        };
        // A panic of the task would be an `Interrupt` here.
        let visit = member
            .into_outcome()
            .ok()
            .expect("we have the only handle")?;
        if let Some(Ok(page)) = &visit.ended {
            let links = page.split(' ').filter(|word| word.starts_with("http://"));
            let new = links.filter(|link| known.insert(link.to_string()));
            waiting.extend(new.map(String::from));
        }
        visits.push(visit);
    }
}

/// What a server does with everybody who asks.
#[derive(Clone)]
enum Manner {
    Answer(String),
    /// Takes its time, but not too much.
    Slow,
    Silent,
    /// Says that more will come, and closes.
    Early,
    /// Sends nonsense without an end.
    Garbage,
    Busy,
}

async fn answer(stream: TcpStream, manner: Manner) -> io::Result<()> {
    stream.read(&mut [0; 512]).await?;
    let page = |text: &str| {
        format!(
            "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )
    };
    let text = match manner {
        Manner::Answer(text) => page(&text),
        Manner::Slow => {
            sleep(PATIENCE / 10).await;
            page("at last")
        }
        Manner::Silent => pending().await,
        Manner::Early => page("a long story").replace("story", ""),
        Manner::Garbage => loop {
            stream.write_all(&[b'?'; 512]).await?;
        },
        Manner::Busy => "HTTP/1.0 503 \r\nRetry-After: 60\r\n\r\n".into(),
    };
    stream.write_all(text.as_bytes()).await
}

async fn serve(listener: TcpListener, scope: Scope<io::Error>, manner: Manner) -> io::Result<()> {
    loop {
        let (stream, _peer) = listener.accept().await?;
        let answering = answer(stream, manner.clone());
        let task = scope.task().awaited(false); // it ends with what is awaited
        task.spawn(async { drop(answering.await) }); // clients that go away are no failure
    }
}

/// Starts a server, and tells where its page is.
async fn start(scope: &Scope<io::Error>, name: &str, manner: Manner) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/{name}", listener.local_addr()?);
    let serving = serve(listener, scope.clone(), manner);
    scope.task().awaited(false).spawn(serving);
    Ok(url)
}

async fn start_all(scope: &Scope<io::Error>) -> io::Result<String> {
    let manners = [
        ("busy", Manner::Busy),
        ("silent", Manner::Silent),
        ("early", Manner::Early),
        ("garbage", Manner::Garbage),
        ("slow", Manner::Slow),
        ("hello", Manner::Answer("hello".into())),
    ];
    let mut links = Vec::new();
    for (name, manner) in manners {
        links.push(start(scope, name, manner).await?);
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await?.local_addr()?; // and closes it
    links.push(format!("http://{nobody}/refused"));
    let more = start(scope, "more", Manner::Answer(links[3..].join(" "))).await?;
    links.push(more);
    start(scope, "index", Manner::Answer(links.join(" "))).await
}

fn main() -> io::Result<()> {
    let visits = Pool::run_scope(async |s: &Scope<io::Error>| {
        let index = start_all(s).await?;
        Ok(crawl(index).await?)
    })?;
    let row = |visit: &Visit| {
        let result = match &visit.ended {
            Some(Ok(page)) if page.starts_with("http") => "links",
            Some(Ok(page)) => page,
            Some(Err(why)) => why,
            None => "given up: the time for all was over",
        };
        let name = visit.url.rsplit('/').next().unwrap_or_default();
        format!("{name:<8} {:<9} {result}", visit.attempts)
    };
    let mut rows: Vec<_> = visits.iter().map(row).collect();
    rows.sort();
    println!("page     attempts  result\n{}", rows.join("\n"));
    Ok(())
}

// takes: 2.9s..5s
// prints:
// page     attempts  result
// busy     1         given up: the time for all was over
// early    3         closed too early
// garbage  1         the answer has no end
// hello    1         hello
// index    1         links
// more     1         links
// refused  3         Connection refused (os error 111)
// silent   3         no answer in time
// slow     1         at last
