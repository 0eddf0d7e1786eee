//! `Box<dyn Error + Send + Sync>` and other types with a lifetime in them, in scopes that are sent: what
//! every server is written with. That these programs compile is most of what they show.

use std::{
    cell::Cell,
    error::Error,
    fmt,
    future::{pending, poll_fn},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use arborio::{
    Child, Interrupt, LocalScope, Scope, Task, TaskGroup,
    cancel::{Ticker, catch_cancel, finally, move_on_after, repeat_timeout, shield},
    join, local_scope,
    net::{TcpListener, TcpStream},
    race, run, scope, select, spawn, spawn_local,
    time::{sleep, timeout},
    yield_now,
};

use crate::support::{Log, ms, secs, simulated};

type BoxError = Box<dyn Error + Send + Sync>;

/// Awaits, and gives a byte or an error.
async fn byte(text: &str) -> io::Result<u8> {
    yield_now().await;
    let first = text.bytes().next();
    first.ok_or_else(|| io::Error::other("no text"))
}

/// The value of a task, or its error, in words.
async fn told<T: fmt::Debug, E: fmt::Display>(task: Task<Result<T, E>>) -> String {
    match task.await.unwrap() {
        Ok(value) => format!("{value:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn t01_a_spawned_future_has_a_scope_of_boxed_errors_inside() {
    run(async {
        let fine = spawn(async {
            let fine = scope(async |s: &Scope<BoxError>| {
                s.spawn(async { byte("a task").await.map(drop).map_err(Into::into) });
                Ok(byte("b").await?)
            });
            fine.await
        });
        let failed = spawn(async {
            scope(async |s| -> Result<u8, BoxError> {
                s.spawn(pending::<()>());
                Ok(byte("").await?)
            })
            .await
        });
        let text = spawn(async {
            let ended: Result<(), BoxError> = scope(async |_| Err("a word")?).await;
            ended
        });
        assert_eq!(told(fine).await, "98");
        assert_eq!(told(failed).await, "no text");
        assert_eq!(told(text).await, "a word");
    });
}

#[test]
fn t01_scopes_of_boxed_errors_nest_in_bodies_and_in_tasks() {
    type Sent<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
    fn deep(depth: u32) -> Sent<u32> {
        Box::pin(async move {
            let body = async |s: &Scope<BoxError>| {
                if depth == 0 {
                    return Err("the bottom".into());
                }
                let below = s.spawn(deep(depth - 1));
                scope(async |_: &Scope<BoxError>| Ok(below.await?)).await
            };
            scope(body).await
        })
    }
    let ended = run(async { told(spawn(deep(3))).await });
    assert_eq!(ended, "the bottom");
}

#[test]
fn t01_borrowed_and_moved_captures_go_into_the_body() {
    async fn borrows(text: &str, count: &mut u32) -> Result<u8, BoxError> {
        scope(async |_: &Scope<BoxError>| {
            *count += 1;
            Ok(byte(text).await?)
        })
        .await
    }
    async fn moves(text: String) -> Result<u8, BoxError> {
        scope(async move |_: &Scope<BoxError>| Ok(byte(&text).await?)).await
    }
    run(async {
        let task = spawn(async {
            let (text, mut count) = (String::from("a"), 0);
            let sum = borrows(&text, &mut count).await? + moves(text).await?;
            assert_eq!(count, 1);
            Ok::<_, BoxError>(sum)
        });
        assert_eq!(told(task).await, "194");
    });
}

#[test]
fn t01_every_way_to_open_a_scope_takes_boxed_errors() {
    async fn all() -> Result<u8, BoxError> {
        let builder = || Scope::<BoxError>::builder().timeout(secs(5));
        let built = builder().run(async |_| Ok(byte("a").await?)).await?;
        let reported = builder()
            .report()
            .run(async |_| Ok(byte("a").await?))
            .await
            .map_err(|failed| failed.first)?;
        let forked =
            scope(async |s: &Scope<BoxError>| s.fork().run(async |_| Ok(byte("a").await?)).await);
        let free = builder().open();
        free.spawn(async { byte("a").await.map(drop).map_err(Into::into) });
        free.finalize();
        free.await?;
        let of_a_function = scope(body).await?;
        let of_a_closure = scope(|s: &Scope<BoxError>| s.spawn(async { Ok(byte("a").await?) }));
        Ok([
            built,
            reported,
            forked.await?,
            of_a_function,
            of_a_closure.await?,
        ]
        .map(|byte| byte - b'a')
        .into_iter()
        .sum())
    }
    async fn body(s: &Scope<BoxError>) -> Result<u8, BoxError> {
        let child: Child<u8, BoxError> = s.spawn(async { Ok(byte("a").await?) });
        child.await
    }
    let ended = run(async { told(spawn(all())).await });
    assert_eq!(ended, "0");
}

#[test]
fn t01_scopes_of_boxed_errors_are_parts_of_other_futures_that_are_sent() {
    async fn one(text: &str) -> Result<u8, BoxError> {
        scope(async |_: &Scope<BoxError>| Ok(byte(text).await?)).await
    }
    async fn all() -> Result<u32, BoxError> {
        let (a, b) = join((one("a"), one("b"))).await;
        let mut sum = u32::from(a?) + u32::from(b?);
        sum += u32::from(race((one("c"), pending())).await?);
        sum += u32::from(select! { byte = one("d") => byte?, () = pending() => unreachable!() });
        sum += u32::from(timeout(secs(1), one("e")).await??);
        sum += u32::from(move_on_after(secs(1), one("f")).await.ok_or("late")??);
        sum += u32::from(shield(one("g")).await?);
        sum += u32::from(finally(one("h"), async || drop(one("i").await)).await?);
        sum += u32::from(catch_cancel(one("j")).await.map_err(|_| "asked")??);
        sum += u32::from(repeat_timeout(secs(1), async |_: &Ticker| one("k").await).await??);
        let group = TaskGroup::<&'static str>::new();
        group.spawn(async { "l" });
        sum += group
            .cancel_on_error(async |g: &TaskGroup<&'static str>| {
                g.wait_all().await;
                Ok::<_, BoxError>(u32::from(one("l").await?))
            })
            .await?;
        Ok(sum)
    }
    let ended = run(async { told(spawn(all())).await });
    let letters = ('a'..='h').chain('j'..='l').map(u32::from).sum::<u32>();
    assert_eq!(ended, letters.to_string());
}

#[test]
fn t01_values_and_errors_with_lifetimes_come_out_of_a_scope_that_is_sent() {
    /// An error with a lifetime of its own.
    #[derive(Debug)]
    struct Word(&'static str);
    impl From<Interrupt> for Word {
        fn from(_: Interrupt) -> Self {
            Self("interrupted")
        }
    }
    impl From<&'static str> for Word {
        fn from(word: &'static str) -> Self {
            Self(word)
        }
    }
    /// An error that borrows by its type.
    #[derive(Debug)]
    struct Borrows<'a>(std::borrow::Cow<'a, str>);
    impl From<Interrupt> for Borrows<'_> {
        fn from(end: Interrupt) -> Self {
            Self(end.to_string().into())
        }
    }
    run(async {
        let value = spawn(async {
            scope(async |_: &Scope<BoxError>| {
                yield_now().await;
                Ok(("a value", Box::new(|| 5_u32) as Box<dyn Fn() -> u32 + Send>))
            })
            .await
            .map(|(word, number)| (word, number()))
        });
        assert_eq!(told(value).await, r#"("a value", 5)"#);
        let failed = spawn(async { scope(async |_: &Scope<Word>| Ok(Err::<(), _>("no")?)).await });
        assert_eq!(failed.await.unwrap().unwrap_err().0, "no");
        let failed = spawn(async {
            scope(async |s: &Scope<Borrows<'static>>| {
                s.spawn(async { Err::<(), _>(Borrows("no".into())) });
                pending::<Result<(), _>>().await
            })
            .await
        });
        assert_eq!(failed.await.unwrap().unwrap_err().0, "no");
    });
}

#[test]
fn t01_a_server_of_boxed_errors_serves() {
    async fn handle(stream: TcpStream) -> Result<(), BoxError> {
        scope(async |s: &Scope<BoxError>| {
            s.task().awaited(false).spawn(sleep(secs(3600)));
            let mut word = [0; 4];
            timeout(secs(10), stream.read_exact(&mut word)).await??;
            if &word == b"stop" {
                return Err("asked to stop".into());
            }
            stream.write_all(&word).await?;
            Ok(())
        })
        .await
    }
    async fn serve(listener: &TcpListener) -> Result<(), BoxError> {
        scope(async |s: &Scope<BoxError>| {
            loop {
                let (stream, _) = listener.accept().await?;
                s.spawn(handle(stream));
            }
        })
        .await
    }
    run(async {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(async move { serve(&listener).await });
        let client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"echo").await.unwrap();
        let mut echo = [0; 4];
        client.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"echo");
        let client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"stop").await.unwrap();
        assert_eq!(told(server).await, "asked to stop");
    });
}

#[test]
fn t01_a_local_scope_of_boxed_errors_stays_on_its_loop() {
    let ended = run(async {
        let task = spawn_local(async {
            let shared = Rc::new(Cell::new(0));
            local_scope(async |s: &LocalScope<BoxError>| {
                let theirs = Rc::clone(&shared);
                s.spawn(async move {
                    theirs.set(byte("").await?.into());
                    Ok::<(), BoxError>(())
                });
                pending::<Result<(), _>>().await
            })
            .await
        });
        told(task).await
    });
    assert_eq!(ended, "no text");
}

/// Looks at its scope when it is dropped.
struct Looks<'s> {
    scope: &'s Scope<BoxError>,
    log: Log<String>,
}

impl Drop for Looks<'_> {
    fn drop(&mut self) {
        self.log.add(self.scope.name().unwrap().to_owned());
    }
}

/// Keeps something that looks at the scope for a millisecond, and ends in the way of its name.
async fn looking(how: &'static str, log: Log<String>) -> Result<(), BoxError> {
    let named = Scope::<BoxError>::builder().name(how);
    let body = async |scope: &Scope<BoxError>| {
        let _looks = Looks { scope, log };
        sleep(ms(1)).await;
        match how {
            "value" => Ok(()),
            "error" => Err(how.into()),
            "panic" => panic!("{how}"),
            _ => pending().await,
        }
    };
    named.run(body).await
}

#[cfg(panic = "unwind")]
#[test]
fn t01_what_a_body_keeps_may_look_at_the_scope_until_the_body_is_gone() {
    let log = Log::new();
    let looks = |how| looking(how, log.clone());
    simulated().run(async {
        assert!(looks("value").await.is_ok());
        assert!(looks("error").await.is_err());
        let panicked = spawn_local(looks("panic")).await;
        assert!(matches!(panicked, Err(Interrupt::Panicked(_))));
        assert!(move_on_after(ms(2), looks("late")).await.is_none());
        let mut dropped = Box::pin(looks("dropped"));
        let begun = poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx).is_pending()));
        assert!(begun.await);
        drop(dropped);
        drop(looks("never polled"));
    });
    assert_eq!(log.take(), ["value", "error", "panic", "late", "dropped"]);
}

#[test]
fn t17_what_a_body_keeps_may_look_at_the_scope_under_other_executors_too() {
    let log = Log::new();
    let mut foreign = Box::pin(looking("foreign", log.clone()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(foreign.as_mut().poll(&mut cx).is_pending());
    drop(foreign);
    assert_eq!(log.take(), ["foreign"]);
}
