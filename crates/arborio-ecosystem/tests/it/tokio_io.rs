//! tokio's traits on Arborio's streams, without a tokio runtime.

use std::io::IoSlice;

use arborio::{
    net::{TcpListener, TcpStream, UnixStream},
    run, spawn,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

#[test]
fn tokios_extensions_read_and_write_a_stream_and_its_halves() {
    let lines = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let echo = spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut reader, mut writer) = stream.into_split();
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
            AsyncWriteExt::shutdown(&mut writer).await.unwrap();
        });
        let mut client = TcpStream::connect(address).await.unwrap();
        AsyncWriteExt::write_all(&mut client, b"one\ntwo\n")
            .await
            .unwrap();
        AsyncWriteExt::shutdown(&mut client).await.unwrap();
        let mut lines = BufReader::new(&client).lines();
        let mut read = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            read.push(line);
        }
        echo.await.unwrap();
        read
    });
    assert_eq!(lines, ["one", "two"]);
}

#[test]
fn a_read_appends_to_what_the_buffer_holds_and_fills_no_more_than_its_room() {
    run(async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        AsyncWriteExt::write_all(&mut one, b"abcdef").await.unwrap();
        let mut bytes = Vec::with_capacity(4);
        bytes.push(b'>');
        let mut room = (&mut other).take(3);
        assert_eq!(room.read_buf(&mut bytes).await.unwrap(), 3);
        assert_eq!(bytes, b">abc");
        AsyncReadExt::read_buf(&mut other, &mut bytes)
            .await
            .unwrap();
        assert_eq!(bytes, b">abcdef");
    });
}

#[test]
fn several_buffers_are_written_at_once() {
    run(async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        assert!(AsyncWrite::is_write_vectored(&one));
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b"cd")];
        let written = AsyncWriteExt::write_vectored(&mut one, &parts).await;
        assert_eq!(written.unwrap(), 4);
        let mut word = [0; 4];
        AsyncReadExt::read_exact(&mut other, &mut word)
            .await
            .unwrap();
        assert_eq!(&word, b"abcd");
    });
}
