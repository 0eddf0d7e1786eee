//! Standard streams, in processes of their own.

use std::{
    io::{self, BufRead, ErrorKind, PipeReader, Read, Write},
    os::fd::AsFd,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use arborio::{
    EventLoop, Pool, run, spawn,
    stdio::{stderr, stdin, stdout},
    time::{Clock, clock, sleep},
};
use futures_lite::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, StreamExt, future::block_on, io::BufReader,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl},
    process::Signal,
};

use crate::{
    children::{Player, play},
    support::{KernelThread, ms, poll_once, secs},
};

/// Sends `lines` to `part`, ends its input, and returns what it wrote.
fn talk(name: &str, part: &str, lines: &[u8]) -> String {
    let mut player = Player::start(name, part);
    player.stdin().write_all(lines).unwrap();
    player.close_stdin();
    let played = player.end();
    assert!(played.status.success(), "{part}: {}", played.stderr);
    played.stdout
}

/// Numbers the lines of the input.
async fn number_lines() -> io::Result<()> {
    let (mut out, mut number) = (stdout(), 0);
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next().await {
        number += 1;
        let line = format!("{number} {}\n", line?);
        out.write_all(line.as_bytes()).await?;
    }
    out.flush().await
}

#[test]
fn lines_come_in_and_go_out_on_loops_on_pools_and_elsewhere() {
    let name = "stdio::lines_come_in_and_go_out_on_loops_on_pools_and_elsewhere";
    play("loop", || run(number_lines()).unwrap());
    play("pool", || {
        Pool::builder()
            .workers(2)
            .run(async { spawn(number_lines()).await.unwrap().unwrap() });
    });
    play("elsewhere", || block_on(number_lines()).unwrap());
    for part in ["loop", "pool", "elsewhere"] {
        let written = talk(name, part, b"one\ntwo\nthree");
        assert!(written.ends_with("1 one\n2 two\n3 three\n"), "{written}");
    }
}

#[test]
fn a_pending_read_does_not_hold_up_the_end_of_the_process() {
    let name = "stdio::a_pending_read_does_not_hold_up_the_end_of_the_process";
    play("reader", || {
        run(async {
            let mut read = Box::pin(async { stdin().read(&mut [0; 8]).await });
            assert!(poll_once(&mut read).is_pending());
            // Not awaited: it ends with main.
            drop(arborio::task().awaited(false).spawn(read));
            arborio::yield_now().await;
            println!("main ends");
        });
    });
    let mut player = Player::start(name, "reader");
    player.expect_line("main ends");
    // Its input is open, and stays so until it has ended.
    assert!(player.end().status.success());
}

#[test]
fn the_loop_goes_on_while_a_read_is_pending() {
    let name = "stdio::the_loop_goes_on_while_a_read_is_pending";
    play("reader", || {
        run(async {
            let reading = spawn(async {
                let mut byte = [0];
                stdin().read_exact(&mut byte).await.unwrap();
                byte
            });
            sleep(ms(5)).await;
            println!("slept");
            assert_eq!(reading.await.unwrap(), *b"x");
        });
    });
    let mut player = Player::start(name, "reader");
    player.expect_line("slept");
    player.stdin().write_all(b"x").unwrap();
    assert!(player.end().status.success());
}

#[test]
fn what_was_read_and_not_taken_is_the_next_readers() {
    let name = "stdio::what_was_read_and_not_taken_is_the_next_readers";
    play("readers", || {
        run(async {
            {
                let mut given_up = stdin();
                let mut buffer = [0; 8];
                assert!(poll_once(&mut given_up.read(&mut buffer)).is_pending());
            }
            println!("given up");
            let mut word = [0; 3];
            stdin().read_exact(&mut word).await.unwrap();
            let mut rest = String::new();
            stdin().read_to_string(&mut rest).await.unwrap();
            println!("{} {rest}", String::from_utf8_lossy(&word));
        });
    });
    let mut player = Player::start(name, "readers");
    player.expect_line("given up");
    player.stdin().write_all(b"one and another").unwrap();
    player.close_stdin();
    assert_eq!(player.end().stdout, "one  and another\n");
}

#[test]
fn every_reader_is_woken_and_each_byte_goes_to_one() {
    let name = "stdio::every_reader_is_woken_and_each_byte_goes_to_one";
    play("readers", || {
        let total = Pool::builder().workers(2).run(async {
            let count = || async {
                let (mut input, mut count) = (stdin(), 0);
                let mut buffer = [0; 7];
                loop {
                    match input.read(&mut buffer).await.unwrap() {
                        0 => return count,
                        more => count += more,
                    }
                }
            };
            let readers: Vec<_> = (0..4).map(|_| spawn(count())).collect();
            println!("reading");
            let mut total = 0;
            for reader in readers {
                total += reader.await.unwrap();
            }
            total
        });
        println!("{total}");
    });
    let mut player = Player::start(name, "readers");
    player.expect_line("reading");
    player.stdin().write_all(&[b'x'; 100_000]).unwrap();
    player.close_stdin();
    assert_eq!(player.end().stdout, "100000\n");
}

#[test]
fn a_closed_or_empty_input_is_at_its_end_and_a_file_is_read() {
    let name = "stdio::a_closed_or_empty_input_is_at_its_end_and_a_file_is_read";
    play("count", || {
        let mut all = Vec::new();
        run(stdin().read_to_end(&mut all)).unwrap();
        println!("{} bytes", all.len());
    });
    play("closed", || {
        // SAFETY: nobody else in this process uses the descriptor.
        drop(unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(0) });
        let mut all = Vec::new();
        run(stdin().read_to_end(&mut all)).unwrap();
        println!("{} bytes", all.len());
    });
    let count = |part: &str, input: Stdio| {
        let player = Player::start_with(name, part, |command| {
            command.stdin(input);
        });
        let played = player.end();
        assert!(played.status.success(), "{}", played.stderr);
        played.stdout
    };
    assert!(count("count", Stdio::null()).ends_with("\n0 bytes\n"));
    assert!(count("closed", Stdio::null()).ends_with("\n0 bytes\n"));
    let file = std::fs::File::open(file!().replace("crates/arborio/", "")).unwrap();
    let length = file.metadata().unwrap().len();
    assert!(count("count", file.into()).ends_with(&format!("\n{length} bytes\n")));
}

#[test]
fn a_directory_as_input_is_an_error() {
    let name = "stdio::a_directory_as_input_is_an_error";
    play("reader", || {
        let read = run(async { stdin().read(&mut [0]).await });
        assert_eq!(read.unwrap_err().kind(), ErrorKind::IsADirectory);
    });
    let player = Player::start_with(name, "reader", |command| {
        command.stdin(std::fs::File::open("/").unwrap());
    });
    assert!(player.end().status.success());
}

#[test]
fn the_shared_descriptors_stay_blocking() {
    let name = "stdio::the_shared_descriptors_stay_blocking";
    play("both", || {
        run(async {
            let mut byte = [0];
            stdin().read_exact(&mut byte).await.unwrap();
            stdout().write_all(&byte).await.unwrap();
        });
        let flags = |stream: &dyn AsFd| fcntl_getfl(stream.as_fd()).unwrap();
        assert!(!flags(&io::stdin()).contains(OFlags::NONBLOCK));
        assert!(!flags(&io::stdout()).contains(OFlags::NONBLOCK));
    });
    talk(name, "both", b"x");
}

/// Whether a write would go on at once.
fn has_room(stream: impl AsFd) -> bool {
    let now = Timespec::default();
    poll(&mut [PollFd::new(&stream, PollFlags::OUT)], Some(&now)).unwrap() > 0
}

/// As a terminal may be that another program has left so.
#[test]
fn descriptors_that_somebody_has_made_non_blocking_work_too() {
    let name = "stdio::descriptors_that_somebody_has_made_non_blocking_work_too";
    play("both", || {
        rustix::io::ioctl_fionbio(io::stdin(), true).unwrap();
        rustix::io::ioctl_fionbio(io::stdout(), true).unwrap();
        run(async {
            let mut all = Vec::new();
            stdin().read_to_end(&mut all).await.unwrap();
            let mut out = stdout();
            let mut writing = Box::pin(async {
                out.write_all(&all).await.unwrap();
                out.flush().await.unwrap();
            });
            while has_room(io::stdout()) {
                assert!(poll_once(&mut writing).is_pending());
                arborio::yield_now().await;
            }
            eprintln!("full");
            writing.await;
        });
    });
    let mut player = Player::start(name, "both");
    let all = vec![b'x'; 300_000];
    player.stdin().write_all(&all).unwrap();
    player.close_stdin();
    player.expect_error("full");
    let played = player.end();
    assert!(played.status.success(), "{}", played.stderr);
    assert!(played.stdout.ends_with(&"x".repeat(all.len())));
}

/// The thread of the stream waits in `poll` then, which no handler of a signal lets go on.
#[test]
fn a_signal_to_the_thread_of_a_stream_is_no_error() {
    let name = "stdio::a_signal_to_the_thread_of_a_stream_is_no_error";
    play("reader", || {
        let handled = Arc::new(AtomicBool::new(false));
        let number = Signal::USR1.as_raw();
        signal_hook::flag::register(number, Arc::clone(&handled)).unwrap();
        rustix::io::ioctl_fionbio(io::stdin(), true).unwrap();
        run(async {
            let (mut input, mut byte) = (stdin(), [0]);
            let mut reading = Box::pin(input.read(&mut byte));
            assert!(poll_once(&mut reading).is_pending());
            let reader = KernelThread::named("arborio-stdin");
            reader.wait_until_asleep();
            reader.signal(Signal::USR1);
            while !handled.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            println!("handled");
            assert_eq!(reading.await.unwrap(), 1);
            assert_eq!(byte, *b"x");
        });
    });
    let mut player = Player::start(name, "reader");
    player.expect_line("handled");
    player.stdin().write_all(b"x").unwrap();
    let played = player.end();
    assert!(played.status.success(), "{}", played.stderr);
}

#[test]
fn what_handles_write_comes_in_the_order_in_which_it_was_accepted() {
    let name = "stdio::what_handles_write_comes_in_the_order_in_which_it_was_accepted";
    play("writers", || {
        run(async {
            print!("a line of the standard library, ");
            for number in 0..1000 {
                let line = format!("{number},");
                stdout().write_all(line.as_bytes()).await.unwrap();
            }
            let mut last = stdout();
            last.write_all(b"end\n").await.unwrap();
            last.flush().await.unwrap();
            println!("behind it");
        });
    });
    let written = Player::start(name, "writers").end().stdout;
    let numbers: String = (0..1000).map(|number| format!("{number},")).collect();
    let wanted = format!("\na line of the standard library, {numbers}end\nbehind it\n");
    assert!(written.ends_with(&wanted), "{written}");
}

#[test]
fn a_flush_waits_until_everything_is_written() {
    let name = "stdio::a_flush_waits_until_everything_is_written";
    play("writer", || {
        run(async {
            let (mut out, all) = (stdout(), vec![b'x'; 1 << 20]);
            out.write_all(&all).await.unwrap();
            out.flush().await.unwrap();
            let mut errors = stderr();
            errors.write_all(b"all was written").await.unwrap();
            errors.close().await.unwrap();
            std::process::exit(0); // and nothing later could
        });
    });
    let played = Player::start(name, "writer").end();
    assert!(played.stdout.ends_with(&"x".repeat(1 << 20)));
    assert!(played.stderr.ends_with("all was written"));
}

#[test]
fn a_pipe_that_nobody_reads_blocks_neither_the_loop_nor_the_end() {
    let name = "stdio::a_pipe_that_nobody_reads_blocks_neither_the_loop_nor_the_end";
    play("writer", || {
        run(async {
            let writing = arborio::task()
                .awaited(false)
                .spawn(async { stdout().write_all(&vec![b'x'; 1 << 20]).await });
            sleep(ms(5)).await;
            assert!(!writing.is_finished());
            eprintln!("the loop goes on");
        });
    });
    let (reader, writer) = io::pipe().unwrap();
    let player = Player::start_with(name, "writer", |command| {
        command.stdout(writer);
    });
    let played = player.end();
    assert!(played.status.success(), "{}", played.stderr);
    assert!(played.stderr.contains("the loop goes on"));
    drop(reader);
}

#[test]
fn writing_to_a_pipe_without_a_reader_is_an_error_that_is_told_once() {
    let name = "stdio::writing_to_a_pipe_without_a_reader_is_an_error_that_is_told_once";
    play("writer", || {
        // What the harness has written is gone; wait until the reader is, too.
        io::stdin().read_exact(&mut [0]).unwrap();
        run(async {
            let mut out = stdout();
            out.write_all(b"to nobody").await.unwrap();
            let error = out.flush().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            out.flush().await.unwrap();
            let mut other = stdout();
            other.flush().await.unwrap();
            other.write_all(b"to nobody").await.unwrap();
            assert!(other.flush().await.is_err());
        });
        eprintln!("told");
    });
    let (reader, writer) = io::pipe().unwrap();
    let mut player = Player::start_with(name, "writer", |command| {
        command.stdout(writer);
    });
    skip_harness(reader);
    player.stdin().write_all(b"x").unwrap();
    let played = player.end();
    assert!(played.status.success(), "{}", played.stderr);
    assert!(played.stderr.contains("told"));
}

/// Reads the first line that [`play`] writes, and closes the pipe.
fn skip_harness(reader: PipeReader) {
    let mut lines = io::BufReader::new(reader).lines();
    while !lines.next().unwrap().unwrap().ends_with("... ") {}
}

#[test]
fn a_simulated_clock_stands_still_while_somebody_waits_for_input() {
    let name = "stdio::a_simulated_clock_stands_still_while_somebody_waits_for_input";
    play("reader", || {
        let builder = EventLoop::builder().clock(Clock::simulated());
        builder.run(async {
            let sleeping = spawn(async {
                sleep(secs(60)).await;
            });
            println!("reading");
            let mut byte = [0];
            stdin().read_exact(&mut byte).await.unwrap();
            assert_eq!(clock(), secs(0));
            assert!(!sleeping.is_finished());
            sleeping.await.unwrap();
            assert_eq!(clock(), secs(60));
        });
    });
    let mut player = Player::start(name, "reader");
    player.expect_line("reading");
    thread::yield_now();
    player.stdin().write_all(b"x").unwrap();
    let played = player.end();
    assert!(played.status.success(), "{}", played.stderr);
}
