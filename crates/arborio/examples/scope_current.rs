//! A handler finds the scope that it runs in, and forks it.

use arborio::{AnyScope, Interrupt, Scope};

fn here() -> String {
    let scope = AnyScope::current();
    let name = scope.as_ref().and_then(AnyScope::name);
    name.unwrap_or("no scope").to_owned()
}

async fn handler() -> Result<(), Interrupt> {
    println!("the handler runs in: {}", here());
    let fork = AnyScope::current().expect("the server's").fork();
    fork.name("fork")
        .run(async |fork: &Scope<Interrupt>| {
            println!("the body of its fork runs in: {}", here());
            let child = async { println!("a task of the fork runs in: {}", here()) };
            fork.spawn(child).await
        })
        .await
}

fn main() {
    println!("main runs in: {}", here());
    let server = Scope::<Interrupt>::builder().name("server");
    let ended = arborio::run(server.run(async |s| s.spawn(handler()).await));
    ended.unwrap();
}

// takes: 0.0s..0.4s
// prints:
// main runs in: no scope
// the handler runs in: server
// the body of its fork runs in: fork
// a task of the fork runs in: fork
