//! Capability flags against live nodes: what they offer, and what becomes of each of ours that is switched off.

mod support;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use node::proto::flags::{MANDATORY, OFFERED};
use node::{Cookie, EpmdMode, Flags, Node, Process, Received};
use support::live::{self, Live};
use term::{Atom, Term, term};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

/// What OTP 25 to 28 do not have yet.
const SINCE_28: Flags = Flags::ALTACT_SIG.union(Flags::NATIVE_RECORDS);

fn optional() -> Vec<Flags> {
    let all = OFFERED.iter().map(|offer| offer.flag);
    // The digest only stands for others; a node may leave it out.
    all.filter(|flag| !MANDATORY.contains(*flag)).collect()
}

fn builder(live: &Live) -> Result<node::Builder> {
    let builder = Node::builder("rust@127.0.0.1").cookie(Cookie::new(live::COOKIE)?);
    Ok(builder.epmd(EpmdMode::External).epmd_port(live.epmd_port))
}

async fn echoed(process: &mut Process, body: &Term) -> Result<()> {
    process.send(("echo", Atom::new(live::NAME)?), (process.pid(), body.clone()));
    let echo = timeout(SOON, process.receive::<Term>()).await.context("nothing came")?;
    let echo = echo.map_err(|reason| anyhow::anyhow!("{reason}"))?;
    ensure!(echo == term!({ echo, body }), "{echo} in place of {body}");
    Ok(())
}

#[tokio::test]
async fn we_offer_what_a_hidden_node_of_otp_29_offers_and_no_more() -> Result<()> {
    for otp in live::releases()? {
        let live = Live::start_with(otp, &["-hidden"])?;
        let node = builder(&live)?.build()?;
        ensure!(node.connect(&Atom::new(live::NAME)?).await, "no connection");
        let connections = node.connections();
        let theirs = connections.first().context("no connection")?.offered;
        let ours = if otp.number() >= 29 { Flags::offered() } else { Flags::offered() - SINCE_28 };
        if otp.number() <= 27 || otp.number() >= 29 {
            ensure!(theirs == ours, "OTP {}: {theirs:?} and {ours:?}", otp.release());
        }
    }
    Ok(())
}

/// One after the other, with each release: messages small, large and with new atoms, and a monitor where there are monitors.
#[tokio::test]
async fn each_optional_flag_can_be_switched_off_and_messages_come_and_go_all_the_same() -> Result<()>
{
    for otp in live::releases()? {
        let live = Live::start(otp)?;
        let peer = Atom::new(live::NAME)?;
        for flag in optional() {
            let context = || format!("without {flag}, OTP {}", otp.release());
            let node = builder(&live)?.without(flag).build().with_context(context)?;
            let mut me = node.attach()?;
            for round in 0..3 {
                let atom = Atom::new(format!("an_atom_of_round_{round}"))?;
                let pid = me.pid();
                let body = term!({ body, atom, #{ a => [round, 2.5], b => pid } });
                echoed(&mut me, &body).await.with_context(context)?;
            }
            let large = Term::from(Bytes::from(vec![7; 300_000]));
            echoed(&mut me, &large).await.with_context(context)?;
            let connections = node.connections();
            let flags = connections.first().context("no connection")?.flags;
            // Without its own bit, what the digest stands for is still offered flag by flag.
            ensure!(!flags.contains(flag), "{}: {flags:?}", context());
            if flags.has_monitors() {
                me.monitor(("nobody", &peer));
                match timeout(SOON, me.receive::<Received>()).await.with_context(context)? {
                    Ok(Received::Down { reason, .. }) => {
                        ensure!(reason.is_atom("noproc"), "{reason}")
                    }
                    other => anyhow::bail!("{}: {other:?}", context()),
                }
            }
            node.stop().await;
        }
    }
    Ok(())
}

#[test]
fn every_mandatory_flag_is_refused_to_be_switched_off_by_name() -> Result<()> {
    for offer in OFFERED.iter().filter(|offer| MANDATORY.contains(offer.flag)) {
        let builder = Node::builder("rust@127.0.0.1").cookie(Cookie::new("secret")?);
        let Err(refused) = builder.without(offer.flag).build() else {
            anyhow::bail!("{} was switched off", offer.flag);
        };
        ensure!(refused.to_string().contains(&offer.flag.to_string()), "{refused}");
    }
    Ok(())
}
