//! Echo on two workers. One thread outside of the pool has all clients, and shares the two processors with the workers.
//!
//! The CPU time is that of the process without the clients' thread. Without work for each request, clients and kernel
//! take more than the pool, so that the rate says little of how it uses its workers; with work it does.

use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use super::outside::{Outside, thread_time};
use super::parallel::{ArborioPool, SmolPool, TokioPool};
use super::{Entry, Figure, Rounds, Scenario, all};
use crate::measure::{Effort, cpu_time};
use crate::sample::Sample;
use crate::scenarios::echo::load::Load;

const BYTES: usize = 64;

const FIGURES: &[Figure] = &[
    Figure {
        key: "rate",
        unit: "req/s",
    },
    Figure {
        key: "cpu_us",
        unit: "µs per request",
    },
    Figure {
        key: "p50_us",
        unit: "µs",
    },
    Figure {
        key: "p99_us",
        unit: "µs",
    },
];

/// Who connects, and what is done for each request.
#[derive(Clone, Copy)]
struct Clients {
    /// Connections that say something once and are silent then.
    silent: usize,
    /// Connections that have a request under way all the time.
    hot: usize,
    /// Whether each has had its first answer before the next one comes, so that the accepting worker never has two new tasks.
    one_by_one: bool,
    work: Duration,
}

macro_rules! echo {
    ($constant:ident, $key:literal, $what:literal, $clients:expr) => {
        pub(in crate::scenarios) const $constant: Scenario = Scenario {
            key: $key,
            what: $what,
            figures: FIGURES,
            entries: {
                fn measure<P: Outside>(effort: Effort) -> Sample {
                    drive::<P>(effort, $clients)
                }
                all!(measure)
            },
            rounds: Rounds::Timed,
        };
    };
}

echo!(
    ECHO,
    "pool-echo",
    "two workers: echo, 50 connections, 64 B",
    Clients {
        silent: 0,
        hot: 50,
        one_by_one: false,
        work: Duration::ZERO,
    }
);
echo!(
    HOT,
    "pool-echo-skewed-hot",
    "two workers: echo, one connection of 50 is hot, 64 B",
    Clients {
        silent: 49,
        hot: 1,
        one_by_one: false,
        work: Duration::ZERO,
    }
);
echo!(
    SKEWED,
    "pool-echo-skewed",
    "two workers: echo with 200 us of work, 4 connections accepted one after the other by one worker",
    Clients {
        silent: 0,
        hot: 4,
        one_by_one: true,
        work: Duration::from_micros(200),
    }
);

fn drive<P: Outside>(effort: Effort, clients: Clients) -> Sample {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    // Accepted sockets inherit it.
    rustix::net::sockopt::set_tcp_nodelay(&listener, true).expect("a TCP socket");
    let address = listener.local_addr().expect("an address");
    let load = thread::spawn(move || load(address, effort, clients));
    P::run_with_drivers(serve::<P>(listener, clients));
    load.join().expect("no client fails")
}

/// Serves until all clients have gone. Nobody awaits a connection's task: that would keep it where it is.
async fn serve<P: Outside>(listener: TcpListener, clients: Clients) {
    let listener = P::adopt(listener);
    let (gone, mut has_gone) = P::channel(128);
    let mut tasks = Vec::new();
    for _ in 0..clients.silent + clients.hot {
        let stream = P::accept(&listener).await;
        let gone = gone.clone();
        tasks.push(P::spawn(async move {
            P::echo(stream, clients.work).await;
            P::send(&gone, 1).await;
        }));
    }
    drop(gone);
    while P::receive(&mut has_gone).await.is_some() {}
}

fn load(address: SocketAddr, effort: Effort, clients: Clients) -> Sample {
    let mut silent = Load::connect(address, clients.silent, BYTES);
    silent.run_rounds(1);
    let connect = if clients.one_by_one {
        Load::connect_one_by_one
    } else {
        Load::connect
    };
    let mut hot = connect(address, clients.hot, BYTES);
    hot.run_for(effort.echo_warm_up());
    hot.forget();
    let (cpu, own) = (cpu_time(), thread_time());
    let elapsed = hot.run_for(effort.echo_window());
    let cpu = (cpu_time() - cpu).saturating_sub(thread_time() - own);
    let requests = hot.requests() as f64;
    Sample::of("rate", requests / elapsed.as_secs_f64())
        .and("cpu_us", cpu.as_secs_f64() * 1e6 / requests)
        .and("p50_us", hot.latency_us(50.0))
        .and("p99_us", hot.latency_us(99.0))
}
