//! A load tool that people use, against the server.

use std::{net::SocketAddr, process::Command};

use crate::support::{FOR_EVER, Runtime, router};

/// A tool, how it is called, and what it prints when every request was answered.
struct Tool {
    name: &'static str,
    arguments: &'static [&'static str],
    says: fn(&str) -> bool,
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "ab",
        arguments: &["-q", "-k", "-n", "2000", "-c", "20"],
        says: |text| text.contains("Complete requests:      2000\nFailed requests:        0\n"),
    },
    Tool {
        name: "oha",
        arguments: &["--no-tui", "-n", "2000", "-c", "20"],
        says: |text| text.contains("[200] 2000 responses"),
    },
    Tool {
        name: "hey",
        arguments: &["-n", "2000", "-c", "20"],
        says: |text| text.contains("[200]\t2000 responses"),
    },
    Tool {
        name: "wrk",
        arguments: &["-t", "1", "-c", "20", "-d", "1s"],
        says: |text| text.contains("Requests/sec:") && !text.contains("Socket errors"),
    },
];

fn drive(tool: &Tool, address: SocketAddr) -> Option<bool> {
    let mut command = Command::new(tool.name);
    command
        .args(tool.arguments)
        .arg(format!("http://{address}/"));
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    Some(output.status.success() && (tool.says)(&text))
}

#[test]
fn every_load_tool_that_is_installed_gets_all_its_answers() {
    for runtime in Runtime::both(FOR_EVER) {
        let address = runtime.serve(router());
        for tool in TOOLS {
            match drive(tool, address) {
                Some(all_answered) => assert!(all_answered, "{}", tool.name),
                None => println!("skipped: {} is not installed", tool.name),
            }
        }
        runtime.stop_and_join(FOR_EVER).unwrap();
    }
}
