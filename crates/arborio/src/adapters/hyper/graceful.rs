//! [`graceful`]: a handler that is asked, says so once, and goes on until it has ended.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use arborio_task::frames::{Answer, Frame};

pin_project_lite::pin_project! {
    /// The future of [`graceful`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Graceful<C, B> {
        frame: Frame,
        // Told at most once.
        begin_shutdown: Option<B>,
        #[pin]
        connection: C,
    }
}

/// Drives `connection` to its end. When it is asked to end, because its scope or loop ends or its time is up,
/// `begin_shutdown` is called, and the connection has the grace of who asks.
///
/// That is for hyper's connections and their `graceful_shutdown`: an idle one ends at once, one that has
/// a request answers it, says that it closes, and ends. What has not ended when the grace is over is dropped.
/// It is a handler, as [`cancel::shield`](crate::cancel::shield) is, and works for every future that can be told
/// to come to an end.
///
/// # Cancel safety
/// Dropping it drops the connection at once.
///
/// # Examples
/// ```
/// use arborio::{cancel::move_on_after, hyper::graceful, time::{Duration, sleep}};
/// let mut log = Vec::new();
/// arborio::run(async {
///     let connection = Box::pin(async { sleep(Duration::from_millis(5)).await });
///     let asked = graceful(connection, |_| log.push("asked"));
///     let ended = move_on_after(Duration::from_millis(1), asked).await;
///     log.push(if ended.is_some() { "ended" } else { "was dropped" });
/// });
/// assert_eq!(log, ["asked", "ended"]);
/// ```
/// With hyper: `graceful(http1::Builder::new().serve_connection(io, service), |connection| connection.graceful_shutdown())`.
pub fn graceful<C, B>(connection: C, begin_shutdown: B) -> Graceful<C, B>
where
    C: Future,
    B: FnOnce(Pin<&mut C>),
{
    Graceful {
        frame: Frame::shield(),
        begin_shutdown: Some(begin_shutdown),
        connection,
    }
}

impl<C, B> Future for Graceful<C, B>
where
    C: Future,
    B: FnOnce(Pin<&mut C>),
{
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let this = self.project();
        let (mut connection, begin_shutdown) = (this.connection, this.begin_shutdown);
        this.frame.poll(cx, |cx, inside| {
            if inside.is_asked()
                && let Some(begin) = begin_shutdown.take()
            {
                begin(connection.as_mut());
            }
            let polled = connection.poll(cx);
            if inside.is_asked() {
                match polled {
                    Poll::Pending => inside.set_busy(),
                    Poll::Ready(_) => inside.answer(Answer::Passed),
                }
            }
            polled
        })
    }
}
