//! A chat server: rooms, nicknames, and a goodbye for everybody when it closes.
//!
//! `chat_server PORT` serves on 127.0.0.1:PORT until Ctrl-C (try `nc 127.0.0.1 PORT` in two
//! terminals). Without a port it chooses one, drives itself with four clients, and ends.
//!
//! The first line of a client is its name, `/join ROOM` takes it to another room, and everything else is said
//! to its room. Lines for a member wait in a queue of its own, so nobody waits for a slow one. **Who is so
//! slow that the queue is full is thrown out**: the room goes on at its pace, and a member never takes more memory
//! than its queue.

use std::{
    collections::{HashMap, hash_map::Entry},
    env, io, mem,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use arborio::{
    CtrlC, Pool, RunError, Scope,
    cancel::{finally, shield},
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::{OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpStream},
    scope, spawn,
    sync::mpsc,
    time::Duration,
};

/// So many lines may wait for a member.
const QUEUE: usize = 32;
/// A longer line is an error of the client.
const LONGEST: u64 = 16 * 1024;
/// What a member has to take the lines that are left, and the goodbye.
const GRACE: Duration = Duration::from_millis(500);

const LOBBY: &str = "lobby";

/// A line, in the queues of all who get it.
type Line = Arc<str>;

/// Somebody who is here, as the others see it.
struct Member {
    /// `None`: thrown out.
    room: Option<String>,
    lines: mpsc::Sender<Line>,
    connection: Scope<io::Error>,
}

/// Who is here, by name. No lock is held across an `await`.
#[derive(Default)]
struct Chat(Mutex<HashMap<String, Member>>);

impl Chat {
    fn members(&self) -> MutexGuard<'_, HashMap<String, Member>> {
        self.0.lock().expect("nobody panics with the lock")
    }

    /// Tells a line to all in a room, and throws out who does not listen.
    fn tell(&self, room: &str, line: &str) {
        let (line, mut slow) = (Line::from(format!("{line}\n")), Vec::new());
        for (name, member) in &mut *self.members() {
            let is_there = member.room.as_deref() == Some(room);
            if is_there && member.lines.try_send(Arc::clone(&line)).is_err() {
                member.room = None;
                member.connection.cancel();
                slow.push(name.clone());
            }
        }
        for name in slow {
            self.tell(room, &format!("* {name} is too slow and was thrown out"));
        }
    }

    /// `false` if somebody has this name.
    fn enter(&self, name: &str, member: Member) -> bool {
        match self.members().entry(name.to_owned()) {
            Entry::Occupied(_) => return false,
            Entry::Vacant(free) => _ = free.insert(member),
        }
        self.tell(LOBBY, &format!("* {name} is here"));
        true
    }

    fn change_room(&self, name: &str, room: &str) {
        let change = |member: &mut Member| Some(mem::replace(member.room.as_mut()?, room.into()));
        let left = self.members().get_mut(name).and_then(change);
        if let Some(left) = left {
            self.tell(&left, &format!("* {name} goes to {room}"));
            self.tell(room, &format!("* {name} is here"));
        }
    }

    fn say(&self, name: &str, line: &str) {
        let room = self
            .members()
            .get(name)
            .and_then(|member| member.room.clone());
        if let Some(room) = room {
            self.tell(&room, &format!("{name}: {line}"));
        }
    }

    fn leave(&self, name: &str) {
        let left = self.members().remove(name);
        if let Some(room) = left.and_then(|member| member.room) {
            self.tell(&room, &format!("* {name} has left"));
        }
    }
}

/// The next line, without its end; `None` at the end of the input.
async fn read_line(input: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<String>> {
    let mut line = String::new();
    input.take(LONGEST).read_line(&mut line).await?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(Some(line.trim_end().to_owned())),
        None if line.is_empty() => Ok(None),
        None => Err(io::Error::other("a line without an end")),
    }
}

/// Does what the client says, until it closes.
async fn listen(chat: &Chat, name: &str, input: &mut BufReader<OwnedReadHalf>) -> io::Result<()> {
    while let Some(line) = read_line(input).await? {
        match line.strip_prefix("/join ") {
            Some(room) => chat.change_room(name, room),
            None => chat.say(name, &line),
        }
    }
    Ok(())
}

/// Writes the lines of a queue until all its senders are gone.
async fn write_lines(mut lines: mpsc::Receiver<Line>, output: OwnedWriteHalf) -> io::Result<()> {
    while let Some(line) = lines.recv().await {
        output.write_all(line.as_bytes()).await?;
    }
    Ok(())
}

/// One connection: the body listens, a task writes. If one of them fails, the scope ends both.
async fn attend(s: &Scope<io::Error>, chat: &Chat, stream: TcpStream) -> io::Result<()> {
    let (input, output) = stream.into_split();
    let mut input = BufReader::new(input);
    let Some(name) = read_line(&mut input).await? else {
        return Ok(());
    };
    let (lines, queue) = mpsc::channel(QUEUE);
    // A shield: who is asked to end writes what is left, and ends when its queue does.
    s.spawn(shield(write_lines(queue, output)));
    let (connection, room) = (s.clone(), Some(LOBBY.to_owned()));
    if !chat.enter(
        &name,
        Member {
            room,
            lines: lines.clone(),
            connection,
        },
    ) {
        drop(lines.try_send("* this name is taken\n".into()));
        return Ok(());
    }
    finally(listen(chat, &name, &mut input), async || {
        chat.leave(&name);
        drop(lines.try_send("* goodbye\n".into())); // who is too slow does not hear it
        drop(lines); // the last sender: the queue has an end
    })
    .await
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    let chat = Arc::new(Chat::default());
    let serving = async |s: &Scope<io::Error>| loop {
        let (stream, peer) = listener.accept().await?;
        let chat = Arc::clone(&chat);
        s.spawn(async move {
            let connection = Scope::builder().name("connection").grace(GRACE);
            let ended = connection
                .run(async |s| attend(s, &chat, stream).await)
                .await;
            if let Err(error) = ended {
                eprintln!("{peer}: {error}"); // the others do not care
            }
        });
    };
    scope(serving).await
}

/// A client of the program's own.
struct Client {
    name: &'static str,
    input: BufReader<OwnedReadHalf>,
    output: OwnedWriteHalf,
}

impl Client {
    async fn enter(address: SocketAddr, name: &'static str) -> io::Result<Self> {
        let (input, output) = TcpStream::connect(address).await?.into_split();
        let input = BufReader::new(input);
        let client = Self {
            name,
            input,
            output,
        };
        client.say(name).await?;
        Ok(client)
    }

    async fn say(&self, line: &str) -> io::Result<()> {
        self.output.write_all(format!("{line}\n").as_bytes()).await
    }

    async fn next(&mut self) -> io::Result<String> {
        let line = read_line(&mut self.input).await?;
        Ok(line.unwrap_or("(the end)".into()))
    }
}

/// Prints what comes next to each; the transcript below says what that is.
async fn hear<const N: usize>(clients: [&mut Client; N]) -> io::Result<()> {
    for client in clients {
        let line = client.next().await?;
        println!("{} hears {line}", client.name);
    }
    Ok(())
}

/// Talks until both have heard some news. Each line is heard by both before the next is said, so
/// nobody is slow but who never listens.
async fn talk_until_news(one: &mut Client, other: &mut Client) -> io::Result<()> {
    let line = "bla ".repeat(2000);
    loop {
        one.say(&line).await?;
        let (first, second) = (one.next().await?, other.next().await?);
        if first.starts_with('*') {
            println!("{} hears {first}\n{} hears {second}", one.name, other.name);
            one.next().await?; // both have yet to hear the last line
            return other.next().await.map(drop);
        }
    }
}

async fn drive_myself() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = spawn(serve(listener));
    let mut anna = Client::enter(address, "anna").await?;
    hear([&mut anna]).await?;
    hear([&mut Client::enter(address, "anna").await?]).await?;
    let mut ben = Client::enter(address, "ben").await?;
    hear([&mut ben, &mut anna]).await?;
    ben.say("/join garden").await?;
    hear([&mut ben, &mut anna]).await?;
    anna.say("hello?").await?;
    hear([&mut anna]).await?;
    anna.say("/join garden").await?;
    hear([&mut ben, &mut anna]).await?; // ben has not heard the hello
    let dora = Client::enter(address, "dora").await?; // who never listens
    dora.say("/join garden").await?;
    hear([&mut ben, &mut anna]).await?;
    talk_until_news(&mut anna, &mut ben).await?;
    anna.say("quiet now").await?;
    hear([&mut ben, &mut anna]).await?;
    ben.output.shutdown()?; // no more to say
    hear([&mut ben, &mut anna]).await?;
    hear([&mut ben]).await?;
    server.cancel();
    hear([&mut anna]).await?;
    hear([&mut anna]).await?;
    println!("the server has ended: {}", server.await.is_err());
    Ok(())
}

fn main() -> io::Result<()> {
    let pool = Pool::builder().ctrl_c(CtrlC::Cancel);
    let Some(port) = env::args().nth(1) else {
        return pool.run(drive_myself());
    };
    let port: u16 = port.parse().map_err(io::Error::other)?;
    let served = pool.try_run(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        println!("listening on {}", listener.local_addr()?);
        serve(listener).await
    });
    match served {
        Err(RunError::Stopped) => println!("everybody has gone"),
        Err(error) => return Err(error.into()),
        Ok(ended) => ended?,
    }
    Ok(())
}

// takes: 0s..5s
// prints:
// anna hears * anna is here
// anna hears * this name is taken
// ben hears * ben is here
// anna hears * ben is here
// ben hears * ben is here
// anna hears * ben goes to garden
// anna hears anna: hello?
// ben hears * anna is here
// anna hears * anna is here
// ben hears * dora is here
// anna hears * dora is here
// anna hears * dora is too slow and was thrown out
// ben hears * dora is too slow and was thrown out
// ben hears anna: quiet now
// anna hears anna: quiet now
// ben hears * goodbye
// anna hears * ben has left
// ben hears (the end)
// anna hears * goodbye
// anna hears (the end)
// the server has ended: true
