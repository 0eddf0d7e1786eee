//! The binary, from outside: children, servers, and what a run leaves behind.

use std::path::PathBuf;
use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arborio-bench"));
    command.args(arguments);
    command
}

fn stdout(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A directory of this test alone.
fn scratch(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// The value of a figure in a child's sample.
fn figure(sample: &str, name: &str) -> f64 {
    let line = sample
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {sample:?}"))
        .parse()
        .unwrap()
}

#[test]
fn every_contestant_finishes_spawn_and_join() {
    for contestant in [
        "arborio",
        "floor",
        "tokio-bare",
        "tokio",
        "smol",
        "monoio",
        "compio",
    ] {
        let output = bench(&["--child", "spawn-join", contestant, "quick", "1"])
            .output()
            .unwrap();
        assert!(figure(&stdout(&output), "ns") > 0.0, "{contestant}");
    }
}

#[test]
fn no_epoll_server_loses_or_changes_a_byte() {
    for server in ["arborio", "floor", "tokio", "smol", "monoio", "compio"] {
        let output = bench(&["--child", "echo-50x4k", server, "quick", "2"])
            .output()
            .unwrap();
        assert!(figure(&stdout(&output), "rate") > 0.0, "{server}");
    }
}

#[test]
fn an_idle_task_takes_at_least_its_future_and_the_floor_little_more() {
    let output = bench(&["--child", "idle-task", "floor", "quick", "1"])
        .output()
        .unwrap();
    let bytes = figure(&stdout(&output), "bytes");
    assert!((32.0..128.0).contains(&bytes), "{bytes}");
}

#[test]
fn a_run_prints_a_table_and_writes_page_plot_and_json() {
    let target = scratch("run");
    let arguments = ["--quick", "--only=floor,tokio", "yield-1"];
    let output = bench(&arguments)
        .env("CARGO_TARGET_DIR", &target)
        .output()
        .unwrap();
    let table = stdout(&output);
    assert!(
        table.contains("yield-1") && table.contains("goal"),
        "{table}"
    );
    let read = |name: &str| std::fs::read_to_string(target.join("bench").join(name)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&read("latest.json")).unwrap();
    let contestants = &json["scenarios"]["yield-1"]["contestants"];
    assert!(contestants["floor"]["ns"]["median"].as_f64().unwrap() > 0.0);
    assert!(json["finished_at"].as_u64().unwrap() > 0);
    assert!(read("report.md").contains("### yield-1"));
    assert!(read("report.svg").trim_end().ends_with("</svg>"));
    let by_commit = format!("{}.json", json["commit"].as_str().unwrap());
    assert!(!read(&by_commit).contains("finished_at"));
}

#[test]
fn an_unknown_scenario_is_refused_with_the_list_of_known_ones() {
    let output = bench(&["spawn-joint"]).output().unwrap();
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        complaint.contains("spawn-joint") && complaint.contains("ring-1000"),
        "{complaint}"
    );
}
