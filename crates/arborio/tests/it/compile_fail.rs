//! Programs that must not compile: what a forgotten `await` looks like.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// Compiles a library whose body of `fn program` is `body`, against `library`.
/// Gives what the compiler said if it refused.
fn compile(library: &Path, header: &str, body: &str) -> Result<(), String> {
    let source = format!("#![deny(unused_must_use)]\n{header} {{ {body} }}\n");
    compile_source(library, &["--crate-type=lib"], &source)
}

/// Compiles a whole program, its tests included.
pub(crate) fn compile_program(source: &str) -> Result<(), String> {
    let kind: &[&str] = if source.contains("[arborio::test") {
        &["--test"]
    } else {
        &["--crate-type=bin"]
    };
    compile_source(library(), kind, source)
}

fn compile_source(library: &Path, kind: &[&str], source: &str) -> Result<(), String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut child = Command::new(compiler)
        .args(["--edition=2024", "--emit=metadata"])
        .args(kind)
        .args(["--crate-name=program", "-", "--out-dir"])
        .arg(env!("CARGO_TARGET_TMPDIR"))
        .arg("-L")
        .arg(format!(
            "dependency={}",
            library.parent().unwrap().display()
        ))
        .arg("--extern")
        .arg(format!("arborio={}", library.display()))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the compiler that built this test can be started");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), source.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

/// The library that this test is linked to lies beside it. There may be others
/// from earlier builds with other settings: the newest that a correct program
/// compiles against is taken.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let beside = fs::read_dir(test.parent().unwrap()).unwrap();
        let mut libraries: Vec<_> = beside
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension() == Some(OsStr::new("rlib")))
            .filter(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                name.starts_with("libarborio-")
            })
            .collect();
        libraries.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
        let body = "arborio::time::sleep(std::time::Duration::ZERO).await";
        let good = |path: &PathBuf| compile(path, "pub async fn program()", body).is_ok();
        let found = libraries.into_iter().rev().find(good);
        found.expect("a correct program compiles against the library beside this test")
    })
}

/// The compiler refuses `body` in an async function, and says `because`.
#[track_caller]
fn refused(body: &str, because: &str) {
    let said = compile(library(), "pub async fn program()", body).unwrap_err();
    assert!(
        said.contains(because),
        "not for the expected reason:\n{said}"
    );
}

/// The compiler takes `body` in an async function.
#[track_caller]
fn accepted(body: &str) {
    if let Err(said) = compile(library(), "pub async fn program()", body) {
        panic!("{body} is refused:\n{said}");
    }
}

#[test]
fn g05_a_sleep_that_is_not_awaited_is_pointed_out() {
    refused(
        "arborio::time::sleep(std::time::Duration::ZERO);",
        "a sleep does nothing unless it is awaited",
    );
}

#[test]
fn g05_a_yield_that_is_not_awaited_is_pointed_out() {
    accepted("arborio::yield_now().await; arborio::task::skip_poll_cycle().await;");
    refused("arborio::yield_now();", "futures do nothing unless awaited");
    refused(
        "arborio::task::skip_poll_cycle();",
        "futures do nothing unless awaited",
    );
}

#[test]
fn g05_a_handle_that_is_dropped_in_passing_is_pointed_out() {
    accepted("drop(arborio::spawn(async {}));");
    refused(
        "arborio::spawn(async {});",
        "dropping a task's handle detaches the task",
    );
}

#[test]
fn g05_a_read_or_a_timeout_that_is_not_awaited_is_pointed_out() {
    let limit = "std::time::Duration::ZERO";
    accepted(&format!(
        "let _ = arborio::time::timeout({limit}, async {{}}).await;"
    ));
    refused(
        &format!("arborio::time::timeout({limit}, async {{}});"),
        "a timeout does nothing unless it is awaited",
    );
    let connect = "arborio::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, 1))";
    accepted(&format!("let _ = {connect}.await;"));
    refused(&format!("{connect};"), "futures do nothing unless");
}

#[test]
fn s08_await_outside_of_async_code_is_an_error() {
    let body = "arborio::yield_now().await";
    assert!(compile(library(), "pub async fn program()", body).is_ok());
    let said = compile(library(), "pub fn program()", body).unwrap_err();
    assert!(said.contains("E0728"), "{said}");
}

#[test]
fn h03_a_task_that_is_sent_to_a_loop_must_be_send() {
    let (start, end) = (
        "let rc = std::rc::Rc::new(1);",
        "(async move { drop(rc) }));",
    );
    accepted(&format!("{start} drop(arborio::spawn_local{end}"));
    refused(
        &format!("{start} drop(arborio::spawn{end}"),
        "cannot be sent between threads",
    );
}

#[test]
fn h02_a_task_cannot_borrow_from_its_spawner() {
    let (start, end) = ("let text = String::new();", "{ drop(&text) }));");
    accepted(&format!("{start} drop(arborio::spawn(async move {end}"));
    refused(&format!("{start} drop(arborio::spawn(async {end}"), "E0373");
}

#[test]
fn h02_h03_s29_s12_a_hop_borrows_nothing_and_is_sent() {
    let hops = [
        "arborio::blocking::enter_executor(",
        "arborio::task::resume_on(&arborio::Handle::current().unwrap(), ",
    ];
    for hop in hops {
        let program = |before: &str, part: &str| format!("{before} drop({hop}{part}));");
        let text = "let text = String::new();";
        accepted(&program(text, "async move { text.len() }"));
        refused(&program(text, "async { text.len() }"), "E0373");
        let local = "let local = std::rc::Rc::new(1);";
        let sent = "cannot be sent between threads";
        refused(&program(local, "async move { drop(local) }"), sent);
        refused(&program("", "async { std::rc::Rc::new(1) }"), sent);
        // It is sent itself, also with a value whose lifetime has to be known.
        let task = format!("let hop = {hop}async {{ \"a word\" }});");
        accepted(&format!(
            "{task} drop(arborio::spawn(async move {{ hop.await.unwrap().len() }}));"
        ));
    }
}

#[test]
fn f12_what_may_go_to_another_thread_does_and_the_rest_does_not() {
    let shared = [
        "arborio::LoopBuilder",
        "arborio::EventLoop",
        "arborio::Handle",
        "arborio::Interrupt",
        "arborio::Task<u8>",
        "arborio::time::Sleep",
        "arborio::time::Interval",
        "arborio::time::Clock",
        "arborio::time::ClockHold",
        "arborio::net::TcpStream",
        "arborio::net::TcpListener",
        "arborio::net::OwnedReadHalf",
        "arborio::net::OwnedWriteHalf",
    ];
    let check = |ty: &str, bound: &str| format!("fn check<T: {bound}>() {{}} check::<{ty}>();");
    let all: String = shared
        .iter()
        .map(|ty| format!("{{ {} }}", check(ty, "Send + Sync")))
        .collect();
    accepted(&all);
    for (ty, bound) in [
        ("arborio::Task<std::rc::Rc<u8>>", "Send"),
        ("arborio::Task<std::cell::Cell<u8>>", "Sync"),
    ] {
        refused(&check(ty, bound), "E0277");
    }
}

#[test]
fn h03_what_goes_to_a_loop_in_the_background_is_send_and_what_borrows_is_run() {
    let with_loop = |body: &str| {
        format!(
            "let l = arborio::EventLoop::builder().start().unwrap(); let h = l.handle(); {body}"
        )
    };
    let local = "let local = std::rc::Rc::new(1);";
    accepted(&with_loop(
        "let text = String::new(); let _ = h.run(async { &text });",
    ));
    refused(
        &with_loop("let text = String::new(); let _ = h.spawn(async { text.len() });"),
        "may outlive borrowed value `text`",
    );
    let sent = |verb: &str| with_loop(&format!("{local} let _ = h.{verb};"));
    refused(&sent("run(async { *local })"), "E0277");
    refused(&sent("spawn_with(move || async move { *local })"), "E0277");
    refused(
        &with_loop("let _ = h.run(async { std::rc::Rc::new(1) });"),
        "E0277",
    );
}

#[test]
fn h02_c04_a_branch_cannot_outlive_what_it_borrows() {
    let program = |declared: &str, early: &str| {
        format!(
            "{early} {declared}
             let branch = c.spawn(async {{ text.len() }});
             c.run(async {{}}).await; drop(c);
             let _ = branch.await;"
        )
    };
    let (text, c) = (
        "let text = String::new();",
        "let c = arborio::Concurrent::new();",
    );
    accepted(&program(c, text));
    refused(&program(text, c), "`text` does not live long enough");
}

#[test]
fn h02_c04_the_value_of_a_handle_cannot_outlive_what_it_borrows() {
    let program = |early: &str, inner: &str| {
        format!(
            "{early}; let handle = {{ {inner};
                 let c = arborio::Concurrent::new();
                 let handle = c.spawn(async {{ &*text }});
                 c.run(async {{}}).await;
                 handle
             }};
             let _ = handle.await;"
        )
    };
    let text = "let text = String::new()";
    accepted(&program(text, ""));
    refused(&program("", text), "`text` does not live long enough");
}

#[test]
fn h02_c04_a_value_with_a_destructor_cannot_wait_in_a_handle_for_the_end_of_what_it_borrows() {
    let program = |destructor: &str, (early, late): (&str, &str)| {
        format!(
            "struct Value<'v>(&'v String); {destructor}
             {early} let mut kept = Vec::new(); {late}
             let c = arborio::Concurrent::new();
             kept.push(c.spawn(async {{ Value(&text) }}));
             c.run(async {{}}).await;"
        )
    };
    let text = "let text = String::new();";
    let destructor = "impl Drop for Value<'_> { fn drop(&mut self) { let _ = self.0.len(); } }";
    // Who only refers to something may outlive it, if nobody looks.
    accepted(&program("", ("", text)));
    accepted(&program(destructor, (text, "")));
    refused(
        &program(destructor, ("", text)),
        "`text` does not live long enough",
    );
}

#[test]
fn h02_c04_a_spawner_of_long_borrows_does_not_take_short_ones() {
    let program = |long: &str| {
        format!(
            "fn short<'l: 's, 's>(s: arborio::concurrent::Spawner<{long}>, _: &'s u8)
                 -> arborio::concurrent::Spawner<'s> {{ s }}
             let _ = short;"
        )
    };
    accepted(&program("'s"));
    refused(&program("'l"), "lifetime may not live long enough");
}

#[test]
fn h02_c04_a_local_cannot_be_used_while_a_branch_has_it() {
    let program = |end: &str| {
        format!(
            "let mut text = String::new();
             let c = arborio::Concurrent::new();
             c.spawn(async {{ text.push('a') }});
             c.run(async {{}}).await; {end}
             text.push('b');"
        )
    };
    accepted(&program("drop(c);"));
    refused(&program(""), "E0499");
}

#[test]
fn h02_a_task_cannot_take_borrowing_branches_along() {
    let program = |moved: &str| {
        format!(
            "let text = String::new();
             let c = arborio::Concurrent::new();
             c.spawn(async {moved} {{ text.len() }});
             drop(arborio::spawn(async move {{ c.run(async {{}}).await }}));"
        )
    };
    accepted(&program("move"));
    refused(&program(""), "E0373");
}

#[test]
fn h02_a_branch_cannot_borrow_the_place_that_owns_it() {
    let (start, end) = (
        "let c = arborio::Concurrent::new();",
        "spawn(async {}); });",
    );
    accepted(&format!(
        "{start} let s = c.spawner(); c.spawn(async move {{ s.{end}"
    ));
    refused(
        &format!("{start} c.spawn(async {{ c.{end}"),
        "`c` does not live long enough",
    );
    accepted(
        "arborio::concurrent_local(async |c| { c.spawn(async { c.spawn(async {}); }); }).await",
    );
}

#[test]
fn h02_what_is_lent_to_a_closure_stays_in_it() {
    let program = |value: &str| {
        format!(
            "let _ = arborio::concurrent_local(async |c| {{
                 let own = String::new();
                 let branch = c.spawn(async move {{ own.len() }});
                 {value}
             }}).await;"
        )
    };
    accepted(&program("branch.await"));
    accepted(&program("branch"));
    refused(&program("c.clone()"), "lifetime may not live long enough");
    refused(
        "let _ = arborio::concurrent_local(async |c| {
             let own = String::new();
             c.spawn(async { own.len() });
         }).await;",
        "E0373",
    );
}

#[test]
fn h03_local_branches_stay_on_their_thread() {
    let program = |kind: &str, shared: &str| {
        format!(
            "fn check<T: Send>(_: T) {{}}
             let shared = {shared};
             let c = arborio::Concurrent::{kind}();
             c.spawn(async {{ drop(&shared) }});
             check(&c); check(c.spawner()); check(c.run(async {{}}));"
        )
    };
    accepted(&program("new", "1"));
    let why = "cannot be sent between threads";
    refused(&program("local", "1"), why);
    refused(
        &program("new", "std::cell::Cell::new(1)"),
        "cannot be shared between threads",
    );
    let task = |kind: &str| {
        format!(
            "drop(arborio::spawn(async {{
                 let c = arborio::Concurrent::{kind}();
                 c.run(async {{}}).await;
             }}));"
        )
    };
    accepted(&task("new"));
    refused(&task("local"), why);
    let body = |shared: &str| {
        format!(
            "drop(arborio::spawn(async {{
                 let shared = {shared};
                 let c = arborio::Concurrent::new();
                 c.run(async {{ let _ = &shared; arborio::yield_now().await; drop(&shared) }}).await;
             }}));"
        )
    };
    accepted(&body("1"));
    refused(&body("std::rc::Rc::new(1)"), why);
}

#[test]
fn g05_a_run_that_is_not_awaited_is_pointed_out() {
    let start = "let c = arborio::Concurrent::new();";
    accepted(&format!("{start} c.run(async {{}}).await;"));
    refused(
        &format!("{start} c.run(async {{}});"),
        "futures do nothing unless awaited",
    );
}

#[test]
fn h03_a_task_of_a_scope_must_be_send_and_one_of_a_local_scope_need_not() {
    let body = |open: &str, kind: &str| {
        format!(
            "let rc = std::rc::Rc::new(1); \
             let _: Result<(), ()> = arborio::{open}(async |s: &arborio::{kind}<()>| {{ \
                 s.spawn(async move {{ drop(rc) }}); Ok(()) \
             }}).await;"
        )
    };
    accepted(&body("local_scope", "LocalScope"));
    refused(&body("scope", "Scope"), "cannot be sent between threads");
}

#[test]
fn h03_the_handle_of_a_local_scope_stays_on_its_thread() {
    let body = |kind: &str| format!("fn sent<T: Send>() {{}} sent::<arborio::{kind}<()>>();");
    accepted(&body("Scope"));
    refused(&body("LocalScope"), "cannot be sent between threads");
}

#[test]
fn h02_a_task_of_a_scope_does_not_borrow_from_the_body() {
    let body = |text: &str| {
        format!(
            "let _: Result<(), ()> = arborio::scope(async |s: &arborio::Scope<()>| {{ \
                 let text = String::new(); {text} Ok(()) \
             }}).await;"
        )
    };
    accepted(&body("s.spawn(async move { drop(text) });"));
    refused(&body("s.spawn(async { drop(text.len()) });"), "borrow");
}

#[test]
fn h02_s04_a_task_of_a_borrowing_scope_cannot_outlive_what_it_borrows() {
    let program = |before: &str, inside: &str, spawned: &str| {
        format!(
            "let pool = arborio::Pool::builder().start().unwrap();
             {before}
             let _ = pool.scope(|s| {{ {inside} s.spawn(async move {{ {spawned} }}); }});"
        )
    };
    let (text, lent) = ("let text = String::new();", "let lent = &text;");
    accepted(&program(&format!("{text} {lent}"), "", "lent.len()"));
    refused(
        &program("", &format!("{text} {lent}"), "lent.len()"),
        "E0597",
    );
    let rc = "let rc = std::rc::Rc::new(1);";
    refused(
        &program(rc, "", "*rc"),
        "cannot be sent between threads safely",
    );
}

#[test]
fn h02_s04_nothing_of_a_borrowing_scope_leaves_it() {
    let program = |body: &str| {
        format!(
            "let pool = arborio::Pool::builder().start().unwrap();
             let out = pool.scope(|s| {{ {body} }}); let _ = out;"
        )
    };
    accepted(&program("{ s.spawn(async { 5 }) }.wait().unwrap()"));
    refused(
        &program("s.spawn(async { 5 })"),
        "lifetime may not live long enough",
    );
    refused(&program("s"), "lifetime may not live long enough");
}

/// A body of a scope of boxed errors, in a future that is spawned.
fn spawned_body(before: &str, body: &str) -> String {
    format!(
        "type Boxed = Box<dyn std::error::Error + Send + Sync>; {before}
         drop(arborio::spawn(async move {{
             arborio::scope(async |s: &arborio::Scope<Boxed>| {{ {body} Ok(()) }}).await
         }}));"
    )
}

#[test]
fn h03_the_body_of_a_scope_that_is_sent_is_send_whatever_the_error() {
    let sent = "cannot be sent between threads safely";
    let shared = "cannot be shared between threads safely";
    let (kept, value) = (
        "arborio::yield_now().await; drop(v);",
        "std::rc::Rc::new(1)",
    );
    accepted(&spawned_body("", &format!("let v = 1; {kept}")));
    refused(&spawned_body("", &format!("let v = {value}; {kept}")), sent);
    let looks = "let _ = &v;";
    accepted(&spawned_body("let v = 1;", looks));
    refused(&spawned_body(&format!("let v = {value};"), looks), sent);
    let cell = "let v = std::cell::Cell::new(1);";
    refused(&spawned_body(cell, looks), shared);
    let closure = |value: &str| {
        format!(
            "let body = |_: &arborio::Scope<std::io::Error>| {{
                 let v = {value}; async move {{ {kept} Ok(()) }}
             }};
             drop(arborio::spawn(async move {{ arborio::scope(body).await }}));"
        )
    };
    accepted(&closure("1"));
    refused(&closure(value), sent);
}

#[test]
fn h02_the_reference_to_a_scope_stays_in_its_body() {
    let escapes = "lifetime may not live long enough";
    for error in [
        "()",
        "std::io::Error",
        "Box<dyn std::error::Error + Send + Sync>",
    ] {
        let program = |before: &str, body: &str| {
            format!(
                "{before} let _ = arborio::scope(
                     async |s: &arborio::Scope<{error}>| {{ {body} }}
                 ).await;"
            )
        };
        accepted(&program(
            "let mut kept = None;",
            "kept = Some(s.clone()); Ok(())",
        ));
        refused(
            &program("let mut kept = None;", "kept = Some(s); Ok(())"),
            escapes,
        );
        accepted(&program("", "Ok(s.clone())"));
        refused(&program("", "Ok(s)"), escapes);
        refused(&program("", "Ok(s.name())"), escapes);
        accepted(&program(
            "",
            "let s = s.clone(); s.clone().spawn(async move { s.cancel() }); Ok(())",
        ));
        refused(
            &program("", "s.spawn(async move { s.cancel() }); Ok(())"),
            "borrowed data escapes outside of closure",
        );
        // For one lifetime is not enough: it has to be any.
        let chosen = |lifetime: &str| {
            format!(
                "fn body{lifetime} arborio::Scope<{error}>)
                     -> std::future::Ready<Result<(), {error}>> {{ std::future::ready(Ok(())) }}
                 let _ = arborio::scope(body).await;"
            )
        };
        accepted(&chosen("<'s>(_: &'s"));
        let said = compile(library(), "pub async fn program()", &chosen("(_: &'static"));
        assert!(said.is_err(), "a body for a scope that is never dropped");
    }
}

#[test]
fn h02_a_body_that_is_passed_on_says_that_it_is_one() {
    let program = |bounds: &str, call: &str| {
        format!(
            "async fn wrap<B, F>(body: B) -> Result<(), ()>
             where
                 B: AsyncFnOnce(&arborio::Scope<()>) -> Result<(), ()> {bounds},
                 F: Future<Output = Result<(), ()>>,
             {{
                 arborio::scope({call}).await
             }}"
        )
    };
    let closure = "async |s: &arborio::Scope<()>| body(s).await";
    let named = "+ arborio::scope::ScopeBody<(), Future = F>";
    accepted(&program("", closure));
    accepted(&program(named, "body"));
    refused(
        &program("", "body"),
        "is not known to be the body of a scope",
    );
}

#[test]
fn h02_nobody_else_is_or_calls_the_body_of_a_scope() {
    refused(
        "struct Own;
         impl arborio::scope::ScopeBody<()> for Own { type Future = (); }",
        "missing: `call`",
    );
    refused(
        "use arborio::scope::ScopeBody;
         let scope: &'static arborio::Scope<()> = Box::leak(Box::new((*arborio::Scope::new()).clone()));
         (|_: &arborio::Scope<()>| ()).call(scope);",
        "E0061",
    );
}
