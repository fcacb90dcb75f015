//! The signals that tell a program to end, in a process of its own: a signal goes to all of it.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use node::{Cookie, EpmdMode, Node};
use tokio::time::timeout;

/// Were the signal not caught yet, it would end this very test.
#[tokio::test]
async fn a_signal_that_comes_before_it_is_waited_for_is_not_missed() -> Result<()> {
    for signal in ["-TERM", "-INT"] {
        let node = Node::builder("rust@localhost")
            .cookie(Cookie::new("secret")?)
            .epmd(EpmdMode::None)
            .build()?;
        let stopped = node.until_stopped();
        node.listen().await?;
        ensure!(node.port().is_some());
        let own = std::process::id().to_string();
        ensure!(Command::new("kill").args([signal, &own]).status()?.success());
        timeout(Duration::from_secs(10), stopped).await?;
        ensure!(node.port().is_none(), "the door is still open after {signal}");
    }
    Ok(())
}

#[tokio::test]
async fn stopping_elsewhere_ends_the_wait() -> Result<()> {
    let node = Node::builder("other@localhost")
        .cookie(Cookie::new("secret")?)
        .epmd(EpmdMode::None)
        .build()?;
    let stopped = node.until_stopped();
    node.listen().await?;
    node.stop().await;
    timeout(Duration::from_secs(10), stopped).await?;
    Ok(())
}
