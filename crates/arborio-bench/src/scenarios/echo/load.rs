//! The load generator: a raw epoll loop, one request in flight per connection, every byte checked.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

use crate::stats;

/// A server that answers nothing for so long is broken.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Enough for a traced server to do what it does after an answer, and to go to sleep.
const PAUSE: Duration = Duration::from_millis(3);

/// One connection and its request in flight.
struct Connection {
    stream: TcpStream,
    message: Vec<u8>,
    /// Written into the message, so that no two requests are alike.
    number: u64,
    sent_at: Instant,
    received: usize,
    /// Requests left to send.
    left: u64,
}

impl Connection {
    fn open(address: SocketAddr, index: usize, bytes: usize) -> Connection {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_nodelay(true).expect("a TCP socket");
        stream.set_nonblocking(true).expect("a socket");
        // 251 is prime: no two connections among a thousand repeat each other at the same place.
        let message = (0..bytes)
            .map(|place| ((index * 7 + place) % 251) as u8)
            .collect();
        let number = (index as u64) << 40;
        Connection {
            stream,
            message,
            number,
            sent_at: Instant::now(),
            received: 0,
            left: 0,
        }
    }

    fn send(&mut self, now: Instant) {
        self.left -= 1;
        self.number += 1;
        self.message[..8].copy_from_slice(&self.number.to_le_bytes());
        self.received = 0;
        self.sent_at = now;
        // Its last message has been echoed in full, so that the socket's buffer is empty.
        let sent = self
            .stream
            .write(&self.message)
            .expect("an open connection");
        assert_eq!(
            sent,
            self.message.len(),
            "an empty socket buffer takes a whole message"
        );
    }

    /// Reads what has come; whether the answer is complete.
    fn receive(&mut self, buffer: &mut [u8]) -> bool {
        let came = match self.stream.read(buffer) {
            Ok(0) => panic!("the server closed a connection"),
            Ok(came) => came,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("a connection failed: {error}"),
        };
        let expected = self.message.get(self.received..self.received + came);
        assert_eq!(
            expected,
            Some(&buffer[..came]),
            "the server echoes every byte"
        );
        self.received += came;
        self.received == self.message.len()
    }
}

/// All connections, and the latencies of what they have done.
pub(in crate::scenarios) struct Load {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    latencies_ns: Vec<f64>,
    buffer: Vec<u8>,
    events: Vec<epoll::Event>,
}

impl Load {
    pub(in crate::scenarios) fn connect(
        address: SocketAddr,
        connections: usize,
        bytes: usize,
    ) -> Load {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
        let connections: Vec<_> = (0..connections)
            .map(|index| Connection::open(address, index, bytes))
            .collect();
        for (index, connection) in connections.iter().enumerate() {
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, &connection.stream, data, epoll::EventFlags::IN)
                .expect("room in the epoll");
        }
        Load {
            epoll,
            connections,
            latencies_ns: Vec::with_capacity(1 << 20),
            buffer: vec![0; bytes],
            events: Vec::with_capacity(1024),
        }
    }

    /// As [`connect`](Load::connect), but each connection has had an answer before the next one is opened.
    pub(in crate::scenarios) fn connect_one_by_one(
        address: SocketAddr,
        connections: usize,
        bytes: usize,
    ) -> Load {
        let mut load = Load::connect(address, 0, bytes);
        for index in 0..connections {
            let mut connection = Connection::open(address, index, bytes);
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&load.epoll, &connection.stream, data, epoll::EventFlags::IN)
                .expect("room in the epoll");
            connection.left = 1;
            connection.send(Instant::now());
            load.connections.push(connection);
            while load.turn() == 0 {}
        }
        load
    }

    /// Runs the closed loop for so long, and until every answer is in: how long that took.
    pub(in crate::scenarios) fn run_for(&mut self, duration: Duration) -> Duration {
        let began = Instant::now();
        self.begin(u64::MAX);
        let mut in_flight = self.connections.len();
        while in_flight > 0 {
            if began.elapsed() >= duration {
                self.connections
                    .iter_mut()
                    .for_each(|connection| connection.left = 0);
            }
            in_flight -= self.turn();
        }
        began.elapsed()
    }

    /// Lets every connection send once, waits for the answers and a moment longer, `rounds` times.
    ///
    /// Under strace a server is so much slower than its clients that it would always find the next
    /// request when it looks once more; here it finds nothing, as a server that keeps up does.
    pub(in crate::scenarios) fn run_rounds(&mut self, rounds: u64) {
        for _ in 0..rounds {
            self.begin(1);
            let mut in_flight = self.connections.len();
            while in_flight > 0 {
                in_flight -= self.turn();
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn begin(&mut self, requests_each: u64) {
        for connection in &mut self.connections {
            connection.left = requests_each;
            connection.send(Instant::now());
        }
    }

    /// Serves what is ready: how many connections have got their last answer.
    fn turn(&mut self) -> usize {
        self.events.clear();
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, spare, Some(&PATIENCE)) {
            Ok(0) => panic!("the server has not answered for {} s", PATIENCE.tv_sec),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("epoll: {error}"),
        }
        let mut finished = 0;
        for event in &self.events {
            let connection = &mut self.connections[event.data.u64() as usize];
            if !connection.receive(&mut self.buffer) {
                continue;
            }
            let now = Instant::now();
            self.latencies_ns
                .push((now - connection.sent_at).as_nanos() as f64);
            if connection.left > 0 {
                connection.send(now);
            } else {
                finished += 1;
            }
        }
        finished
    }

    /// Forgets the latencies so far: warm-up is over.
    pub(in crate::scenarios) fn forget(&mut self) {
        self.latencies_ns.clear();
    }

    /// Requests answered since [`forget`](Load::forget).
    pub(in crate::scenarios) fn requests(&self) -> usize {
        self.latencies_ns.len()
    }

    pub(in crate::scenarios) fn latency_us(&self, percentile: f64) -> f64 {
        stats::percentile(&self.latencies_ns, percentile) / 1000.0
    }
}
