//! `flyball demo`: a story in four acts on a sandbox network, told with the real engine, real MCP servers and real SSH.
//! Each promise that the story makes is checked against the devices' own logs and configurations.

mod acts;
mod ending;
mod network;
mod stage;
mod tell;

use crate::cli::output::Output;
use crate::cli::{Exit, Failure};
use std::time::Instant;

/// What the demo is told.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Leave everything running for exploring, until interrupted.
    pub keep: bool,
}

/// Plays all acts. The exit code says whether each promise held. Whatever ends it, nothing stays behind: no process and
/// no folder with tokens.
pub async fn run(options: Options, output: Output) -> Result<Exit, Failure> {
    let mut ending = ending::Ending::listen()?;
    let mut tell = tell::Tell::new(output);
    tell.title();
    let mut stage = stage::Stage::build().await?;
    let told = tokio::select! {
        told = story(options, &mut stage, &mut tell) => told,
        exit = ending.come() => Ok(Told::Ended(exit)),
    };
    match told {
        Ok(Told::ToTheEnd) => {
            if options.keep {
                tell.how_to_explore(&stage);
                ending.come().await;
            }
            stage.strike(false).await;
            tell.finish();
            Ok(if tell.all_held() { Exit::Done } else { Exit::Failed })
        }
        Ok(Told::Ended(exit)) => {
            stage.strike(false).await;
            Ok(exit)
        }
        Err(failure) => {
            tell.line(&format!("The engine's log is {}.", stage.log().display()));
            stage.strike(true).await;
            Err(failure)
        }
    }
}

/// How far the story went.
enum Told {
    ToTheEnd,
    Ended(Exit),
}

async fn story(options: Options, stage: &mut stage::Stage, tell: &mut tell::Tell) -> Result<Told, Failure> {
    let started = Instant::now();
    stage.resume().await?;
    acts::configure(stage, tell).await?;
    acts::again(stage, tell).await?;
    acts::crash(stage, tell).await?;
    acts::black_hole(stage, tell).await?;
    acts::footer(stage, tell, started.elapsed()).await?;
    if options.keep {
        stage.resume().await?;
    }
    Ok(Told::ToTheEnd)
}
