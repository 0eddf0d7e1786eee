//! The load generator: one thread, one epoll, any number of connections in a closed loop.
//!
//! Each connection sends a request, waits for the whole answer, checks it, and sends the next.
//! Latency is from just before the write to the end of the answer.
//!
//! mio reports readiness once per edge. A read that returns less than its buffer holds has
//! emptied the socket, so it may stop there; the end of a stream is only awaited after our own
//! `shutdown`, when nothing else can arrive, and so has an edge of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::conversation::{Conversation, Heard};
use super::latency::Latencies;

/// Nothing at all heard for this long means that the server is stuck.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections opened before the first of them must have been welcomed: below every usual
/// backlog, because a SYN that does not fit is sent again only a second later.
pub(super) const AT_ONCE: usize = 64;

/// Connections that have been welcomed.
pub(super) struct Crowd {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
}

/// One connection.
struct Client {
    stream: TcpStream,
    talk: Conversation,
    /// When the request in flight was sent.
    asked: Instant,
    /// Whether the server has ended the connection, as it should after we did.
    ended: bool,
}

/// What a round came to.
pub(super) struct Load {
    pub(super) took: Duration,
    pub(super) latencies: Latencies,
}

impl Crowd {
    /// Opens connections, so many [at once](AT_ONCE), and hears the welcome on each.
    ///
    /// # Errors
    /// A connection fails, or its welcome is not the agreed one or does not come.
    pub(super) fn connect(
        address: SocketAddr,
        connections: usize,
        at_once: usize,
    ) -> Result<Self, String> {
        let poll = Poll::new().map_err(|error| format!("no epoll: {error}"))?;
        let clients = Vec::with_capacity(connections);
        let mut crowd = Self {
            poll,
            events: Events::with_capacity(1024),
            clients,
        };
        while crowd.clients.len() < connections {
            let missing = connections - crowd.clients.len();
            for _ in 0..missing.min(at_once) {
                crowd
                    .add(address)
                    .map_err(|error| refused(&error, connections))?;
            }
            crowd.hear_all(|_| ())?;
        }
        Ok(crowd)
    }

    fn add(&mut self, address: SocketAddr) -> std::io::Result<()> {
        let stream = std::net::TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let mut stream = TcpStream::from_std(stream);
        let number = self.clients.len();
        self.poll
            .registry()
            .register(&mut stream, Token(number), Interest::READABLE)?;
        let talk = Conversation::new(number);
        self.clients.push(Client {
            stream,
            talk,
            asked: Instant::now(),
            ended: false,
        });
        Ok(())
    }

    /// Keeps every connection busy for `duration`, then lets the answers in flight arrive.
    ///
    /// `progress` is told the share of the time that has passed and the requests so far.
    ///
    /// # Errors
    /// A byte differs, a connection ends, or the server falls silent.
    pub(super) fn load(
        &mut self,
        duration: Duration,
        mut progress: impl FnMut(f64, usize),
    ) -> Result<Load, String> {
        let start = Instant::now();
        let mut latencies = Vec::with_capacity(1 << 20);
        let mut shown = start;
        for client in &mut self.clients {
            client.ask()?;
        }
        while start.elapsed() < duration {
            self.wait()?;
            for event in &self.events {
                let client = &mut self.clients[event.token().0];
                if client.hear()? == Heard::All {
                    latencies.push(client.asked.elapsed());
                    client.ask()?;
                }
            }
            if shown.elapsed() > Duration::from_millis(100) {
                shown = Instant::now();
                progress(
                    start.elapsed().as_secs_f64() / duration.as_secs_f64(),
                    latencies.len(),
                );
            }
        }
        self.hear_all(|client| latencies.push(client.asked.elapsed()))?;
        Ok(Load {
            took: start.elapsed(),
            latencies: Latencies::new(latencies),
        })
    }

    /// Hears every answer that is due.
    fn hear_all(&mut self, mut complete: impl FnMut(&Client)) -> Result<(), String> {
        let mut waiting = self
            .clients
            .iter()
            .filter(|client| client.talk.is_waiting())
            .count();
        while waiting > 0 {
            self.wait()?;
            for event in &self.events {
                let client = &mut self.clients[event.token().0];
                if client.hear()? == Heard::All {
                    complete(client);
                    waiting -= 1;
                }
            }
        }
        Ok(())
    }

    /// Ends every connection from our side and waits until the server has ended it as well.
    ///
    /// # Errors
    /// More bytes come, or the server keeps a connection open.
    pub(super) fn part(mut self) -> Result<(), String> {
        for client in &self.clients {
            let end = client.stream.shutdown(Shutdown::Write);
            end.map_err(|error| format!("cannot end a connection: {error}"))?;
        }
        let mut open = self.clients.len();
        while open > 0 {
            self.wait()?;
            for event in &self.events {
                open -= usize::from(self.clients[event.token().0].hear_end(event)?);
            }
        }
        Ok(())
    }

    /// Waits for events.
    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.poll.poll(&mut self.events, Some(left)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("epoll: {error}")),
                Ok(()) if !self.events.is_empty() => return Ok(()),
                Ok(()) if left.is_zero() => break,
                Ok(()) => {}
            }
        }
        let waiting = self
            .clients
            .iter()
            .filter(|client| client.talk.is_waiting())
            .count();
        Err(format!(
            "the server has been silent for {PATIENCE:?}; of {} connections {waiting} wait for an answer",
            self.clients.len(),
        ))
    }
}

/// Says why a connection did not come about; with many connections it is often the limit.
fn refused(error: &std::io::Error, connections: usize) -> String {
    /// `EMFILE` on Linux; std has no name for it.
    const TOO_MANY_OPEN_FILES: i32 = 24;
    let hint = match error.raw_os_error() {
        Some(TOO_MANY_OPEN_FILES) => "; raise the limit with `ulimit -n 4096`",
        _ => "",
    };
    format!("cannot open {connections} connections: {error}{hint}")
}

impl Client {
    /// Sends the next request.
    fn ask(&mut self) -> Result<(), String> {
        let line = self.talk.ask();
        self.asked = Instant::now();
        match self.stream.write(line) {
            Ok(taken) if taken == line.len() => Ok(()),
            Ok(taken) => Err(format!("the kernel took {taken} of {} bytes", line.len())),
            Err(error) => Err(format!("cannot send a request: {error}")),
        }
    }

    /// Reads what has come, and compares it with what is due.
    fn hear(&mut self) -> Result<Heard, String> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err("the server ended a connection in the middle of the talk".into()),
            Ok(length) => self.talk.hear(&buffer[..length]),
            // A spurious event.
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Heard::Part),
            Err(error) => Err(format!("a connection failed: {error}")),
        }
    }

    /// Whether this event is the end of the stream, after which nothing may come. The end can
    /// cause two events (end of input, hang-up) and counts once.
    fn hear_end(&mut self, event: &Event) -> Result<bool, String> {
        if self.ended {
            return Ok(false);
        }
        let mut buffer = [0; 64];
        match self.stream.read(&mut buffer) {
            Ok(0) => {
                self.ended = true;
                Ok(true)
            }
            Ok(length) => {
                let said = buffer[..length].escape_ascii();
                Err(format!(
                    "after our end of input the server still said \"{said}\""
                ))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && !event.is_error() => Ok(false),
            Err(error) => Err(format!("a connection failed at its end: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A server of one thread per connection; `answer` makes the answer to a chunk.
    fn serve(connections: usize, answer: fn(&[u8]) -> Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().take(connections) {
                let stream = stream.unwrap();
                thread::spawn(move || talk(stream, answer));
            }
        });
        address
    }

    /// Errors end the talk; the load generator under test sees that.
    fn talk(mut stream: std::net::TcpStream, answer: fn(&[u8]) -> Vec<u8>) -> std::io::Result<()> {
        stream.write_all(b"Welcome to the server pal, feel free to send me something!\n")?;
        stream.write_all(b"-> ")?;
        let mut buffer = [0; 1024];
        loop {
            let length = stream.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            stream.write_all(&answer(&buffer[..length]))?;
        }
    }

    fn echo(chunk: &[u8]) -> Vec<u8> {
        [b"Got: ", chunk, b"-> "].concat()
    }

    #[test]
    fn a_right_server_serves_every_connection_and_every_request_is_measured() {
        let address = serve(70, echo);
        let mut crowd = Crowd::connect(address, 70, AT_ONCE).unwrap();
        let load = crowd.load(SECOND / 10, |_, _| ()).unwrap();
        assert!(load.latencies.count() >= 70, "{}", load.latencies.count());
        assert!(load.latencies.percentile(50.0) > Duration::ZERO);
        crowd.part().unwrap();
    }

    #[test]
    fn an_answer_with_one_wrong_byte_fails_the_round() {
        let address = serve(1, |chunk| echo(chunk).to_ascii_uppercase());
        let failed = Crowd::connect(address, 1, 1)
            .unwrap()
            .load(SECOND, |_, _| ());
        assert!(
            failed
                .err()
                .unwrap()
                .contains("byte 1 of the answer differs")
        );
    }

    #[test]
    fn a_server_that_ends_a_connection_early_fails_the_round() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || drop(listener.accept()));
        let failed = Crowd::connect(address, 1, 1).err().unwrap();
        assert!(failed.contains("ended a connection"), "{failed}");
        server.join().unwrap();
    }

    #[test]
    fn bytes_after_the_end_of_input_are_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            talk(stream.try_clone().unwrap(), echo).unwrap();
            stream.write_all(b"bye").unwrap();
        });
        let failed = Crowd::connect(address, 1, 1).unwrap().part().unwrap_err();
        assert!(failed.contains("still said \"bye\""), "{failed}");
    }
}
