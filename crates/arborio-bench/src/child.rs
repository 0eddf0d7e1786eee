//! A child process: one contestant, one scenario, one sample on standard output.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::machine;
use crate::measure::Effort;
use crate::sample::Sample;
use crate::scenarios::{ALL, Entry, Scenario};

/// The first argument of a child process.
pub(crate) const FLAG: &str = "--child";

/// A child that takes longer hangs. The slowest honest one (10 M tasks) takes some 10 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures what `scenario contestant full|quick round` say and prints the sample.
pub(crate) fn main(arguments: &[String]) -> Result<(), String> {
    let [scenario, contestant, effort, round] = arguments else {
        return Err("a child is told a scenario, a contestant, an effort and a round".to_owned());
    };
    let (known, entry) = ALL
        .iter()
        .filter(|known| known.key == scenario)
        .flat_map(|known| known.entries.iter().map(move |entry| (known, entry)))
        .find(|(_, entry)| entry.contestant == contestant)
        .ok_or_else(|| format!("{contestant} does not take part in {scenario}"))?;
    if known.has_threads() {
        machine::pin_to(&[machine::first_core(), machine::measured_core()]);
    } else {
        machine::pin_to(&[machine::measured_core()]);
    }
    let effort = Effort {
        contestant: entry.contestant,
        quick: effort == "quick",
        first_round: round == "1",
    };
    print!("{}", (entry.measure)(effort));
    Ok(())
}

/// Runs a child to its end.
///
/// # Errors
/// What it said last on standard error, or that it did not end.
pub(crate) fn measure(
    scenario: &Scenario,
    entry: &Entry,
    quick: bool,
    round: usize,
) -> Result<Sample, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let effort = if quick { "quick" } else { "full" };
    let mut child = Command::new(program)
        .args([
            FLAG,
            scenario.key,
            entry.contestant,
            effort,
            &round.to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start a child: {error}"))?;
    let began = Instant::now();
    while child
        .try_wait()
        .map_err(|error| error.to_string())?
        .is_none()
    {
        if began.elapsed() > PATIENCE {
            // It may have ended in this very moment, and then there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("did not end within {} s", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let first = complaint
            .lines()
            .filter(|line| !line.trim().is_empty())
            .take(2);
        return Err(format!(
            "{}: {}",
            output.status,
            first.collect::<Vec<_>>().join(" ")
        ));
    }
    Sample::parse(&String::from_utf8_lossy(&output.stdout))
}
