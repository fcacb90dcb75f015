//! The `erl_dist` crate's side of the comparison: `echo`, `sink` and `source` as its own examples are written, on smol.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use erl_dist::epmd::{EpmdClient, NodeEntry};
use erl_dist::handshake::{HandshakeStatus, ServerSideHandshake};
use erl_dist::message::{self, Message, Sender};
use erl_dist::node::{LocalNode, NodeName};
use erl_dist::term::{Atom, Pid, Term, Tuple};
use smol::net::{TcpListener, TcpStream};

/// Serves drivers one after the other, for ever. Arguments: name, cookie, epmd's port.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [name, cookie, epmd] = arguments else { bail!("name, cookie and epmd port are wanted") };
    let name: NodeName = name.parse().ok().context("not a node name")?;
    let epmd: u16 = epmd.parse()?;
    smol::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let entry = NodeEntry::new_hidden(name.name(), listener.local_addr()?.port());
        let client = EpmdClient::new(TcpStream::connect(("127.0.0.1", epmd)).await?);
        let (_registration, creation) = client.register(entry).await?;
        println!("ready {name}");
        std::io::stdout().flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A driver that goes away is the end of this and nothing else.
            if let Err(error) = serve(LocalNode::new(name.clone(), creation), cookie, stream).await
            {
                eprintln!("{error:#}");
            }
        }
    })
}

async fn serve(local: LocalNode, cookie: &str, stream: TcpStream) -> Result<()> {
    let mut handshake = ServerSideHandshake::new(stream, local.clone(), cookie);
    handshake.execute_recv_name().await?.context("a caller without a name")?;
    let (stream, peer) = handshake.execute_rest(HandshakeStatus::Ok).await?;
    let (mut out, mut receiver) = message::channel(stream, local.flags & peer.flags);
    let mut count = 0u32;
    loop {
        match receiver.recv().await? {
            Message::Tick => out.send(Message::Tick).await?,
            Message::RegSend(sent) => match sent.to_name.name.as_str() {
                "echo" => echo(&mut out, sent.message).await?,
                "sink" => sink(&mut out, sent.message, &mut count).await?,
                "source" => source(&mut out, sent.message).await?,
                _ => {}
            },
            _ => {}
        }
    }
}

/// `{From, Term}`
async fn echo(out: &mut Sender<TcpStream>, message: Term) -> Result<()> {
    let Some([Term::Pid(from), body]) = elements(message) else { return Ok(()) };
    send(out, from, tuple([Atom::from("echo").into(), body])).await
}

/// `{From, Ref, count}` is answered; everything else is counted.
async fn sink(out: &mut Sender<TcpStream>, message: Term, count: &mut u32) -> Result<()> {
    if let Some([Term::Pid(from), reference, Term::Atom(word)]) = elements(message)
        && word.name == "count"
    {
        let arrived = std::mem::take(count).try_into().unwrap_or(i32::MAX);
        return send(
            out,
            from,
            tuple([reference, erl_dist::term::FixInteger::from(arrived).into()]),
        )
        .await;
    }
    *count += 1;
    Ok(())
}

/// `{From, N, Term}`
async fn source(out: &mut Sender<TcpStream>, message: Term) -> Result<()> {
    let Some([Term::Pid(from), Term::FixInteger(count), body]) = elements(message) else {
        return Ok(());
    };
    for _ in 0..count.value {
        send(out, from.clone(), body.clone()).await?;
    }
    send(out, from, tuple([Atom::from("source").into(), Atom::from("done").into(), count.into()]))
        .await
}

async fn send(out: &mut Sender<TcpStream>, to: Pid, message: Term) -> Result<()> {
    Ok(out.send(Message::send(to, message)).await?)
}

fn elements<const N: usize>(message: Term) -> Option<[Term; N]> {
    let Term::Tuple(tuple) = message else { return None };
    tuple.elements.try_into().ok()
}

fn tuple<const N: usize>(elements: [Term; N]) -> Term {
    Tuple::from(Vec::from(elements)).into()
}
