//! The tree of scopes and tasks: what it shows, to people and to programs.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use arborio::{
    AnyScope, Interrupt, RunError, Scope,
    cancel::{ReasonKind, finally},
    options::Report,
    task,
    time::sleep,
    tree,
    tree::{ScopeInfo, ScopeStage, Tree, TreeNode},
    yield_now,
};

use futures_lite::future::poll_once;

use crate::{
    scopes::{Code, millis, seconds, simulated},
    support,
};

/// The drawing without the places.
pub(crate) fn drawn(tree: &Tree) -> Vec<String> {
    let cut = |line: &str| match line.rsplit_once(") ") {
        Some((line, place)) => {
            assert!(place.contains(".rs:"), "{place}");
            format!("{line})")
        }
        None => line.to_owned(),
    };
    tree.to_string().lines().map(cut).collect()
}

pub(crate) async fn fails<T>(_held: T) {
    panic!("on purpose");
}

pub(crate) fn now() -> Tree {
    let tree = tree();
    assert!(!tree.is_empty(), "a loop runs");
    tree
}

/// What the tree says of the scope of that name.
pub(crate) fn scope_named(tree: &Tree, name: &str) -> ScopeInfo {
    let mut found = tree.scopes().filter(|s| s.name.as_deref() == Some(name));
    let info = found
        .next()
        .unwrap_or_else(|| panic!("no {name} in\n{tree}"));
    assert!(found.next().is_none());
    info.clone()
}

/// On how many entries the one of that name hangs, and on which one last.
pub(crate) fn place_of(tree: &Tree, name: &str) -> (usize, String) {
    let name_of = |node: &TreeNode| match node {
        TreeNode::Scope(scope) => scope.name.clone(),
        TreeNode::Task(task) => task.name.clone(),
        _ => Some("run".into()),
    };
    let entries = tree.entries();
    let has_name = |node| name_of(node).as_deref() == Some(name);
    let index = entries.iter().position(|entry| has_name(&entry.node));
    let index = index.unwrap_or_else(|| panic!("no {name} in\n{tree}"));
    let depth = entries[index].depth;
    let above = entries[..index].iter().rfind(|entry| entry.depth < depth);
    let above = above.and_then(|entry| name_of(&entry.node));
    (depth, above.unwrap_or_default().into_owned())
}

#[test]
fn t03_the_tree_shows_names_states_ages_deadlines_and_who_has_asked_whom() {
    let lines = simulated(async {
        drop(task().name("ticker").awaited(false).spawn(pending::<()>()));
        let server = Scope::<Code>::builder().name("server").timeout(seconds(5));
        server
            .run(async |s| {
                let accept = s.task().name("accept");
                let accept = accept.spawn(finally(pending::<()>(), || sleep(seconds(9))));
                for _ in 0..2 {
                    s.spawn(pending::<()>());
                }
                let handle = s.clone();
                s.task().name("client").spawn(async move {
                    let inner = Scope::<Code>::builder().name("request");
                    let _ = inner
                        .run(async |s| {
                            s.task().name("reader").spawn(pending::<()>());
                            sleep(millis(1500)).await;
                            accept.cancel();
                            yield_now().await;
                            pending::<Result<(), Code>>().await
                        })
                        .await;
                    drop(handle);
                });
                sleep(millis(3200)).await;
                let lines = drawn(&now());
                s.cancel();
                Ok(lines)
            })
            .await
            .unwrap()
    });
    let expected = [
        "run",
        "├─ task `main` (running)",
        "│  └─ scope `server` (running, 3.2s old, deadline in 1.8s)",
        "│     ├─ task `accept` (cancelling: cancelled by task `client` at HERE)",
        "│     ├─ 2 × task (waiting)",
        "│     └─ task `client` (waiting)",
        "│        └─ scope `request` (running, 3.2s old)",
        "│           └─ task `reader` (waiting)",
        "└─ task `ticker` (waiting, not awaited)",
    ];
    let here = |line: &String| match line.split_once(file!()) {
        Some((line, _)) => format!("{line}HERE)"),
        None => line.clone(),
    };
    let lines: Vec<_> = lines.iter().map(here).collect();
    assert_eq!(lines[2..], expected[2..], "{lines:#?}");
    // The run node and `main` need no place: `main` is spawned where the loop was started.
    assert_eq!(lines[0], expected[0]);
    assert!(
        lines[1].starts_with("├─ task `main` (running)"),
        "{}",
        lines[1]
    );
}

#[test]
fn t03_a_nested_tree_counts_eleven_tasks_and_three_in_the_scope_below() {
    simulated(async {
        let outer = Scope::<Code>::builder().name("outer");
        let ended = outer.run(async |s| {
            for _ in 0..10 {
                s.spawn(pending::<()>());
            }
            s.task().name("eleventh").spawn(async {
                let inner = Scope::<Code>::builder().name("inner");
                let _ = inner
                    .run(async |s| {
                        for _ in 0..3 {
                            s.spawn(pending::<()>());
                        }
                        pending::<Result<(), Code>>().await
                    })
                    .await;
            });
            yield_now().await;
            let tree = s.tree();
            assert_eq!(tree.tasks().count(), 14);
            assert_eq!(scope_named(&tree, "outer").tasks, 11);
            assert_eq!(scope_named(&tree, "inner").tasks, 3);
            assert_eq!(place_of(&tree, "inner"), (2, "eleventh".into()));
            assert_eq!(arborio::tree().tasks().count(), 15, "and main");
            s.cancel();
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(now().scopes().count(), 0);
    });
}

#[test]
fn t03_a_scope_hangs_on_the_task_that_entered_it_or_else_on_the_scope_around() {
    simulated(async {
        let named = |name: &'static str| Scope::<Code>::builder().name(name);
        let ended = named("outer").run(async |s| {
            let fork = s.fork::<Code>().name("fork in the task");
            s.task().name("task").spawn(async move {
                let _ = fork
                    .run(async |_| pending::<Result<(), Code>>().await)
                    .await;
            });
            let elsewhere = s.fork::<Code>().name("fork elsewhere");
            drop(
                task()
                    .name("stranger")
                    .awaited(false)
                    .spawn_local(async move {
                        let _ = elsewhere
                            .run(async |_| pending::<Result<(), Code>>().await)
                            .await;
                    }),
            );
            yield_now().await;
            let inner = named("inner").run(async |_| {
                let tree = now();
                assert_eq!(place_of(&tree, "outer"), (2, "main".into()));
                assert_eq!(place_of(&tree, "fork in the task"), (4, "task".into()));
                assert_eq!(place_of(&tree, "fork elsewhere"), (3, "outer".into()));
                assert_eq!(place_of(&tree, "inner"), (3, "outer".into()));
                Ok(())
            });
            inner.await?;
            s.cancel();
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
    });
}

#[test]
fn t03_the_stages_of_a_scope() {
    simulated(async {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let look = {
            let seen = Arc::clone(&seen);
            move || {
                let info = scope_named(&now(), "it");
                seen.lock().unwrap().push((info.stage, info.asked));
            }
        };
        let (in_body, in_task, in_daemon) = (look.clone(), look.clone(), look.clone());
        let it = Scope::<Code>::builder().name("it");
        let ended = it.run(async |s| {
            in_body();
            s.spawn(async move {
                sleep(seconds(1)).await;
                in_task();
            });
            let cleanup = async move || in_daemon();
            s.task()
                .awaited(false)
                .spawn(finally(pending::<()>(), cleanup));
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        let stages: Vec<_> = seen.lock().unwrap().drain(..).collect();
        let [(one, None), (two, None), (three, None)] = &stages[..] else {
            panic!("{stages:?}")
        };
        let expected = [
            ScopeStage::Running,
            ScopeStage::Finishing,
            ScopeStage::Closing,
        ];
        assert_eq!([*one, *two, *three], expected);

        let cleanup = {
            let look = look.clone();
            async move || look()
        };
        let it = Scope::<Code>::builder().name("it");
        let ended = it.run(async |s| {
            s.spawn(finally(pending::<()>(), cleanup));
            yield_now().await;
            s.cancel();
            pending::<Result<(), Code>>().await
        });
        assert!(ended.await.is_err());
        let (stage, asked) = seen.lock().unwrap().pop().unwrap();
        assert_eq!(stage, ScopeStage::Ending);
        let Some(Interrupt::Cancelled(reason)) = asked else {
            panic!("{asked:?}")
        };
        assert_eq!(reason.kind(), ReasonKind::Cancel);
        assert_eq!(reason.location().file(), file!());

        let cleanup = async move || look();
        let it = Scope::<Code>::builder().name("it");
        let mut run = Box::pin(it.run(async |s| {
            s.spawn(finally(pending::<()>(), cleanup));
            pending::<Result<(), Code>>().await
        }));
        assert!(poll_once(&mut run).await.is_none());
        yield_now().await;
        drop(run);
        sleep(millis(1)).await;
        let (stage, asked) = seen.lock().unwrap().pop().unwrap();
        assert_eq!((stage, asked.is_none()), (ScopeStage::Orphaned, true));
    });
}

#[test]
fn t03_a_deadline_that_has_passed_reads_so_and_time_that_ran_out_is_the_reason() {
    simulated(async {
        let late = Scope::<Code>::builder().name("late").timeout(seconds(2));
        let ended = late.run(async |s| {
            let look = async || {
                let info = scope_named(&now(), "late");
                assert_eq!(info.age, Some(seconds(2)));
                assert_eq!(info.remaining, Some(seconds(0)));
                assert!(matches!(info.asked, Some(Interrupt::TimedOut)));
                let line = info.to_string();
                let expected = "scope `late` (ending: out of time, 2.0s old, deadline passed)";
                assert!(line.starts_with(expected), "{line}");
            };
            s.spawn(finally(pending::<()>(), look));
            pending::<Result<(), Code>>().await
        });
        assert!(ended.await.is_err());
    });
}

#[test]
fn t03_a_loop_that_lingers_draws_the_scopes_that_it_waits_for() {
    let heard = support::Log::new();
    let log = heard.clone();
    let observer = move |report: &Report<'_>| {
        let Report::Lingering(tree) = *report else {
            panic!("{report}")
        };
        log.add((report.to_string(), tree.clone()));
    };
    support::simulated().observer(observer).run(async {
        let background = task().name("background").spawn(async {
            let slow = Scope::<Code>::builder().name("slow");
            let _ = slow
                .run(async |s| {
                    s.task().name("sleeper").spawn(sleep(seconds(60)));
                    s.task()
                        .name("daemon")
                        .awaited(false)
                        .spawn(pending::<()>());
                    Ok(())
                })
                .await;
        });
        drop(background);
    });
    let heard = heard.take();
    let [(text, tree)] = &heard[..] else {
        panic!("{heard:?}")
    };
    assert!(text.starts_with("main has ended; the loop waits for 2 tasks\nrun\n└─ task"));
    let expected = [
        "run",
        "└─ task `background` (waiting)",
        "   └─ scope `slow` (finishing, 5.0s old)",
        "      └─ task `sleeper` (waiting)",
    ];
    assert_eq!(drawn(tree), expected);
}

#[test]
fn g02_a_stalled_loop_draws_its_scopes() {
    let end = support::simulated().try_run(async {
        let stuck = Scope::<Code>::builder()
            .name("stuck")
            .timeout(seconds(1_000));
        let gave_up = stuck.run(async |s| {
            s.set_timeout(None);
            s.task().name("forlorn").spawn(pending::<()>());
            sleep(seconds(3)).await;
            pending::<Result<(), Code>>().await
        });
        let _ = gave_up.await;
    });
    let error = end.unwrap_err();
    let text = error.to_string();
    let RunError::Stalled(tree) = error else {
        panic!("{error}")
    };
    assert_eq!(scope_named(&tree, "stuck").age, Some(seconds(3)));
    assert_eq!(place_of(&tree, "forlorn"), (3, "stuck".into()));
    assert!(text.ends_with(&format!("to wake one\n{tree}")), "{text}");
    assert!(
        text.contains("      └─ task `forlorn` (waiting) "),
        "{text}"
    );
}

#[cfg(panic = "unwind")]
#[test]
fn t03_a_captured_log_has_openings_spawns_and_ends_with_their_names() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&log);
    let observer = move |note: &arborio::scope::ScopeNote| {
        let _ = now(); // nothing is locked or borrowed
        let note = note.to_string();
        let (note, _) = note.rsplit_once(") ").expect("a place");
        let note = note.split_once(" by ").map_or(note, |(note, _)| note);
        heard.lock().unwrap().push(note.to_owned());
    };
    simulated(async {
        let scope = Scope::<Code>::builder().name("errands");
        let ended = scope.verbose(true).observer(observer).run(async |s| {
            s.task().name("quick").spawn(async {});
            s.task().name("slow").spawn(pending::<()>());
            s.task().name("panics").bubble(false).spawn(fails(()));
            drop(AnyScope::current().unwrap().spawn(async {}));
            let group = arborio::TaskGroup::new();
            drop(group.spawn(async {}));
            yield_now().await;
            let fork = s.fork::<Code>().name("fork");
            fork.run(async |s| {
                s.task().name("twig").spawn(async {});
                Ok(())
            })
            .await?;
            s.cancel();
            pending::<Result<(), Code>>().await
        });
        assert!(ended.await.is_err());
    });
    let expected = [
        "opened: scope `errands` (running, 0s old",
        "spawned: task `quick` (new",
        "spawned: task `slow` (new",
        "spawned: task `panics` (new",
        "spawned: task (new",
        "spawned: task (new",
        "ended: task `quick` (running",
        "ended: task `panics` (running",
        "ended: task (running",
        "ended: task (running",
        "opened: scope `fork` (running, 0s old",
        "spawned: task `twig` (new",
        "ended: task `twig` (running",
        "closed: scope `fork` (closing, 0s old",
        "asked to end: scope `errands` (ending: cancelled",
        "interrupted: task `slow` (running",
        "closed: scope `errands` (ending: cancelled",
    ];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[test]
fn t03_an_observer_that_did_not_ask_for_it_hears_nothing_of_what_goes_well() {
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    let quiet = Scope::<Code>::builder().observer(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let ended = simulated(quiet.run(async |s| {
        s.spawn(async {});
        Ok(())
    }));
    assert_eq!((ended, heard.load(Ordering::Relaxed)), (Ok(()), 0));
}

#[test]
fn t03_scopes_and_tasks_say_their_names() {
    simulated(async {
        let named = Scope::<Code>::builder().name("errands");
        let ended = named.run(async |s| {
            let child = s.task().name("baker").spawn(async {});
            assert!(format!("{s:?}").contains("errands"));
            assert!(format!("{:?}", s.erase()).contains("errands"));
            assert!(format!("{child:?}").contains("baker"));
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        let spawned = task().name("butcher").spawn(async {});
        assert!(format!("{spawned:?}").contains("butcher"));
    });
}

/// The inverse of the escapes, by the rules in the documentation of `Lines`.
fn unescaped(column: &str) -> Option<String> {
    if column == "-" {
        return None;
    }
    let mut text = String::new();
    let mut letters = column.chars();
    while let Some(letter) = letters.next() {
        text.push(match letter {
            '\\' => match letters.next().unwrap() {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                'u' => {
                    let hex: String = letters.by_ref().take_while(|&c| c != '}').collect();
                    let number = u32::from_str_radix(&hex[1..], 16).unwrap();
                    char::from_u32(number).unwrap()
                }
                other => other,
            },
            other => other,
        });
    }
    Some(text)
}

const NASTY: [&str; 12] = [
    "-",
    "",
    "a\tb",
    "a\nb\r\nc",
    "\"quoted\" 'twice'",
    "`ticks`",
    "back\\slash\\",
    "\\t is not a tab, \\u{9} neither",
    "\0\u{7}\u{1b}[31mred\u{7f}\u{85}",
    "\u{2028}\u{2029}\u{202e}sdrawkcab\u{feff}",
    "├─ task `fake` (running)",
    "żółć 🦀 e\u{301}",
];

#[test]
fn t03_names_of_any_kind_come_through_the_lines_and_break_nothing() {
    simulated(async {
        for name in NASTY {
            let nasty = Scope::<Code>::builder().name(name);
            let ended = nasty.run(async |s| {
                let cleans = finally(pending::<()>(), pending::<()>);
                let victim = s.task().name(name).spawn(cleans);
                s.task()
                    .name(name)
                    .spawn(async move { assert!(victim.cancel()) });
                yield_now().await;
                yield_now().await;
                let tree = s.tree();
                assert_eq!(tree.to_string().lines().count(), 2, "{tree}");
                assert!(
                    !tree
                        .to_string()
                        .chars()
                        .any(|c| c.is_control() && c != '\n')
                );
                let lines = tree.lines().to_string();
                let rows: Vec<Vec<_>> = lines.lines().map(|l| l.split('\t').collect()).collect();
                assert!(
                    rows.iter()
                        .all(|row| row.len() == arborio::tree::Lines::COLUMNS.len())
                );
                let [scope, task] = &rows[..] else {
                    panic!("{lines}")
                };
                assert_eq!(scope[..3], ["0", "scope", "running"]);
                assert_eq!(task[..3], ["1", "task", "cancelling"]);
                assert_eq!(unescaped(scope[3]).as_deref(), Some(name));
                assert_eq!(unescaped(task[3]).as_deref(), Some(name));
                assert_eq!(scope[5..9], ["yes", "-", "-", "-"]);
                assert_eq!(task[5..7], ["yes", "cancelled"]);
                let by = unescaped(task[7]).unwrap();
                assert_eq!(by, format!("task `{name}`"));
                assert!(task[8].starts_with(file!()));
                assert_eq!(scope[9..], ["0", "-", "1"]);
                assert_eq!(task[9..], ["-", "-", "-"]);
                s.cancel();
                Ok(())
            });
            assert_eq!(ended.await, Ok(()));
        }
    });
}
