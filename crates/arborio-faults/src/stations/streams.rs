//! Standard input and output.

use arborio::stdio::{stderr, stdin, stdout};
use futures_lite::{AsyncBufReadExt, AsyncWriteExt, StreamExt, io::BufReader};

use super::on_a_loop;

/// Writes what it reads until the end.
pub(super) fn stdio() {
    on_a_loop(async {
        let (mut out, mut log) = (stdout(), stderr());
        let mut lines = BufReader::new(stdin()).lines();
        let mut count = 0;
        while let Some(line) = lines.next().await {
            out.write_all(line?.as_bytes()).await?;
            count += 1;
        }
        out.flush().await?;
        log.write_all(b"the end\n").await?;
        log.flush().await?;
        if count == 2 {
            Ok(())
        } else {
            Err(format!("{count} lines came").into())
        }
    });
}
