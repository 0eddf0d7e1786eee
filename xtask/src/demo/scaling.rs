//! What a second worker brings, with work for each request that outweighs everything around it.
//!
//! The load generator and the kernel's part of a request take processors, too, so without work the second worker has nothing
//! to run on where there are two. The work is CPU time of the thread that does it, not time by the clock: who is
//! taken off its processor by the generator has not worked meanwhile. How many threads are busy counts those that are ready and
//! wait for a processor: where others use the machine, too, the rates say how much of it was left, and this says whether
//! the work was there for both workers.
//!
//! A socket stays with the worker that has first waited for it. So it matters how connections arrive: all at once, the
//! accepting worker has many new tasks to give away, and one by one it has never two at a time.

use std::path::Path;
use std::thread;
use std::time::Duration;

use super::load::{AT_ONCE, Crowd};
use super::server::Server;
use super::{MODES, Mode, clear_progress, progress};
use crate::table;

/// What the server computes for each request.
const SPIN: &str = "200";

/// How connections arrive.
struct Arrival {
    name: &'static str,
    connections: usize,
    at_once: usize,
}

const ARRIVALS: [Arrival; 3] = [
    Arrival {
        name: "50 at once",
        connections: 50,
        at_once: AT_ONCE,
    },
    Arrival {
        name: "50 one by one",
        connections: 50,
        at_once: 1,
    },
    Arrival {
        name: "2 one by one",
        connections: 2,
        at_once: 1,
    },
];

/// One measurement.
struct Measured {
    rate: f64,
    busy: f64,
    row: Vec<String>,
}

/// Prints the table, and how much more two workers do than one.
pub(super) fn measure(program: &Path, each: Duration) -> Result<(), String> {
    let mut rows = Vec::new();
    let mut ratios = Vec::new();
    for arrival in &ARRIVALS {
        let mut all = Vec::new();
        for mode in &MODES {
            let mut measured = round(program, mode, arrival, each)?;
            rows.push(std::mem::take(&mut measured.row));
            all.push(measured);
        }
        let [_, one, two] = &all[..] else {
            unreachable!("one for each mode")
        };
        ratios.push(format!(
            "{}: {:.2} times the requests/s, {:.2} times the busy threads",
            arrival.name,
            two.rate / one.rate,
            two.busy / one.busy
        ));
    }
    clear_progress();
    let heading = [
        "server",
        "connections",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "server CPU µs/request",
        "busy threads",
        "share of busiest",
    ];
    println!(
        "\n{SPIN} µs of work for each request:\n{}",
        table::render(&heading, rows).trim_end()
    );
    println!("\n1 worker -> 2 workers: {}", ratios.join("; "));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!(
        "the load generator, one thread, ran beside the server on the same {cores} processors"
    );
    Ok(())
}

fn round(
    program: &Path,
    mode: &Mode,
    arrival: &Arrival,
    each: Duration,
) -> Result<Measured, String> {
    let arguments = [mode.arguments, &["--spin", SPIN]].concat();
    let server = Server::start(program, &arguments)?;
    let mut crowd = Crowd::connect(server.address, arrival.connections, arrival.at_once)?;
    let (cpu, threads) = (server.cpu_time()?, server.threads()?);
    let load = crowd.load(each, |share, requests| {
        progress(arrival.connections, share, requests)
    })?;
    let cpu = server.cpu_time()?.saturating_sub(cpu);
    let now = server.threads()?;
    let busy = now.busy(&threads, load.took);
    crowd.part()?;
    server.stop()?;
    let requests = load.latencies.count() as f64;
    let rate = requests / load.took.as_secs_f64();
    let row = vec![
        mode.name.to_string(),
        arrival.name.to_string(),
        format!("{rate:.0}"),
        load.latencies.percentile(50.0).as_micros().to_string(),
        load.latencies.percentile(99.0).as_micros().to_string(),
        format!("{:.1}", cpu.as_secs_f64() * 1e6 / requests.max(1.0)),
        format!("{busy:.2}"),
        format!("{:.0} %", now.share_of_busiest(&threads)),
    ];
    Ok(Measured { rate, busy, row })
}
