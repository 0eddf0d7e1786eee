//! Streams that are split, and joined again.

use std::{
    io::{Read, Write},
    thread,
};

use futures_lite::{AsyncReadExt, AsyncWriteExt, future::zip};

use crate::support::{hash, pair, pattern, run};

#[test]
fn borrowed_halves_work_at_once() {
    let (mut ours, mut peer) = pair();
    let echo = thread::spawn(move || {
        let mut buf = [0; 1000];
        peer.read_exact(&mut buf).unwrap();
        peer.write_all(&buf).unwrap();
    });
    let sent = pattern(1000);
    let mut got = vec![0; 1000];
    let (reader, writer) = ours.split();
    let (write, read) = run(zip(writer.write_all(&sent), reader.read_exact(&mut got)));
    write.unwrap();
    read.unwrap();
    assert_eq!(got, sent);
    echo.join().unwrap();
}

#[test]
fn owned_halves_go_to_different_threads() {
    let (ours, mut peer) = pair();
    let (reader, writer) = ours.into_split();
    let sent = pattern(500_000);
    let expected = hash(&sent);
    let writing = thread::spawn(move || run(writer.write_all(&sent)).unwrap());
    let echo = thread::spawn(move || {
        let mut all = Vec::new();
        // The end comes when the writing half is dropped.
        peer.read_to_end(&mut all).unwrap();
        peer.write_all(&all).unwrap();
    });
    let mut reader = reader;
    let mut got = Vec::new();
    run(AsyncReadExt::read_to_end(&mut reader, &mut got)).unwrap();
    assert_eq!(hash(&got), expected);
    writing.join().unwrap();
    echo.join().unwrap();
}

#[test]
fn the_writing_half_that_is_dropped_shuts_its_direction_alone() {
    let (ours, mut peer) = pair();
    let (reader, writer) = ours.into_split();
    drop(writer);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    peer.write_all(b"x").unwrap();
    assert_eq!(run(reader.read(&mut [0])).unwrap(), 1);
}

#[test]
fn halves_of_one_stream_are_joined_and_others_given_back() {
    let (one, mut peer) = pair();
    let (other, _other_peer) = pair();
    let (reader, writer) = one.into_split();
    let (other_reader, other_writer) = other.into_split();
    let error = reader.reunite(other_writer).unwrap_err();
    assert!(error.to_string().contains("different streams"));
    let (reader, other_writer) = (error.0, error.1);
    let mut joined = writer.reunite(reader).unwrap();
    run(AsyncWriteExt::write_all(&mut joined, b"still open")).unwrap();
    let mut text = [0; 10];
    peer.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"still open");
    assert!(other_reader.reunite(other_writer).is_ok());
}
