//! Where figures come from: machine, toolchain, commit, command; and which core runs what.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Everything a figure must name.
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    /// The short hash, with `-dirty` if the checkout differs from it.
    pub(crate) commit: String,
    pub(crate) command: String,
    /// Processes that wanted a core in the minute before: above zero, figures are disturbed.
    pub(crate) load: String,
}

impl Machine {
    pub(crate) fn of_this_run(arguments: &[String]) -> Machine {
        let mut command = vec!["cargo xtask bench".to_owned()];
        command.extend(arguments.iter().cloned());
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Machine {
            cpu: cpu_model(),
            cores: cores().len(),
            kernel: format!("Linux {}", release.trim()),
            rustc: output_of("rustc", &["--version"]),
            commit: output_of("git", &["describe", "--always", "--dirty", "--exclude=*"]),
            command: command.join(" "),
            load: load_average(),
        }
    }

    /// One line for the head of a report.
    pub(crate) fn line(&self) -> String {
        let Machine {
            cpu,
            cores,
            kernel,
            rustc,
            commit,
            command,
            load,
        } = self;
        format!(
            "{cpu}, {cores} cores, {kernel}; {rustc}; commit {commit}; `{command}`; load average {load} before"
        )
    }
}

fn load_average() -> String {
    let averages = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    averages
        .split(' ')
        .next()
        .filter(|load| !load.is_empty())
        .unwrap_or("unknown")
        .to_owned()
}

fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        info.lines()
            .find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))
            .and_then(|line| line.split(':').nth(1))
            .map_or("unknown", str::trim)
            .to_owned()
    };
    // The family and model tell machines apart whose hypervisor hides the name.
    format!(
        "{} (family {} model {})",
        field("model name"),
        field("cpu family"),
        field("model")
    )
}

/// Standard output of a command without its line end, or "unknown".
fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

/// The cores this process may use, or might before it was pinned.
fn cores() -> &'static [usize] {
    static CORES: OnceLock<Vec<usize>> = OnceLock::new();
    CORES.get_or_init(|| {
        let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
        (0..CpuSet::MAX_CPU)
            .filter(|&core| allowed.is_set(core))
            .collect()
    })
}

/// The core of whatever is measured: the last one, since the first serves most interrupts.
pub(crate) fn measured_core() -> usize {
    cores().last().copied().unwrap_or(0)
}

/// The core of a second process beside the measured one; the same where there is only one.
pub(crate) fn first_core() -> usize {
    cores().first().copied().unwrap_or(0)
}

/// Keeps this process, and what it starts from now on, on these cores.
pub(crate) fn pin_to(cores: &[usize]) {
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    // Where pinning is forbidden the figures are noisier, and no less true.
    let _ = sched_setaffinity(None, &set);
}
