//! The results for machines: every median, its spread, and the goals.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::Row;
use crate::machine::Machine;
use crate::rounds::{Contestant, Results};
use crate::stats::Spread;

/// The whole run, without a time stamp.
pub(super) fn document(machine: &Machine, results: &[Results], quick: bool) -> Value {
    let scenarios: Map<String, Value> = results
        .iter()
        .map(|one| (one.scenario.key.to_owned(), scenario(one, quick)))
        .collect();
    json!({
        "machine": {
            "cpu": machine.cpu,
            "cores": machine.cores,
            "kernel": machine.kernel,
        },
        "rustc": machine.rustc,
        "commit": machine.commit,
        "command": machine.command,
        "load_average_before": machine.load,
        "scenarios": scenarios,
    })
}

fn scenario(results: &Results, quick: bool) -> Value {
    let contestants: Map<String, Value> = results
        .contestants
        .iter()
        .map(|contestant| (contestant.name.to_owned(), measured(contestant)))
        .collect();
    let figures: Map<String, Value> = results
        .scenario
        .figures
        .iter()
        .map(|figure| (figure.key.to_owned(), judged(&Row::of(results, figure))))
        .collect();
    json!({
        "what": results.scenario.what,
        "rounds": results.rounds,
        "quick": quick,
        "figures": figures,
        "contestants": contestants,
    })
}

fn judged(row: &Row) -> Value {
    json!({
        "unit": row.figure.unit,
        "goal": row.goal.map(|goal| goal.limit.to_string()),
        "verdict": row.verdict().map(|verdict| verdict.to_string()),
        "times_floor": row.ratio_to(row.floor),
        "best_peer": row.best_peer.map(|(name, _)| name),
        "behind_epoll_peer": row.behind(),
        "times_best_peer": row.ratio_to(row.best_peer.map(|(_, spread)| spread)),
    })
}

fn measured(contestant: &Contestant) -> Value {
    let mut figures = Map::new();
    for (name, _) in contestant.samples.iter().flat_map(|sample| &sample.figures) {
        if let Some(spread) = contestant.spread(name) {
            figures.insert(name.clone(), spread_as_json(spread));
        }
    }
    if let Some(failure) = &contestant.failure {
        figures.insert("failure".to_owned(), json!(failure));
    }
    Value::Object(figures)
}

fn spread_as_json(spread: Spread) -> Value {
    json!({
        "median": spread.median,
        "lower_quartile": spread.lower_quartile,
        "upper_quartile": spread.upper_quartile,
        "min": spread.min,
        "max": spread.max,
    })
}

/// `document` on top of the scenarios that an earlier run of the same commit left in `earlier`.
pub(super) fn merged(earlier: &str, document: &Value) -> String {
    let mut merged = document.clone();
    let earlier: Value = serde_json::from_str(earlier).unwrap_or(Value::Null);
    if let (Some(Value::Object(old)), Some(new)) = (
        earlier.get("scenarios"),
        merged["scenarios"].as_object_mut(),
    ) {
        for (key, scenario) in old {
            new.entry(key.clone()).or_insert_with(|| scenario.clone());
        }
    }
    pretty(&merged)
}

/// `document` with the time of now, in seconds since 1970.
pub(super) fn stamped(mut document: Value) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    document["finished_at"] = json!(now);
    pretty(&document)
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_run_keeps_the_other_scenarios_of_its_commit() {
        let earlier = r#"{"scenarios": {"ring-1000": 1, "yield-1": 2}}"#;
        let document = json!({ "scenarios": { "yield-1": 3 } });
        let merged: Value = serde_json::from_str(&merged(earlier, &document)).unwrap();
        assert_eq!(merged["scenarios"], json!({ "ring-1000": 1, "yield-1": 3 }));
    }

    #[test]
    fn a_damaged_earlier_file_is_replaced() {
        let document = json!({ "scenarios": { "yield-1": 3 } });
        assert_eq!(merged("{", &document), pretty(&document));
    }
}
