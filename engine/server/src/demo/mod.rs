//! `flyball demo`: a story in four acts on a sandbox network, told with the real engine, real MCP servers and real SSH.
//! Each promise that the story makes is checked against the devices' own logs and configurations.

mod acts;
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

/// Plays all acts. The exit code says whether each promise held.
pub async fn run(options: Options, output: Output) -> Result<Exit, Failure> {
    let started = Instant::now();
    let mut tell = tell::Tell::new(output);
    tell.title();
    let mut stage = stage::Stage::build().await?;
    let played = play(&mut stage, &mut tell).await;
    let outcome = match played {
        Ok(()) => {
            acts::footer(&mut stage, &mut tell, started.elapsed()).await?;
            if tell.all_held() { Exit::Done } else { Exit::Failed }
        }
        Err(failure) => {
            tell.line(&format!("The engine's log is {}.", stage.log().display()));
            stage.strike(true).await;
            return Err(failure);
        }
    };
    if options.keep {
        stage.resume().await?;
        tell.how_to_explore(&stage);
        stage::until_interrupted().await;
    }
    stage.strike(false).await;
    tell.finish();
    Ok(outcome)
}

async fn play(stage: &mut stage::Stage, tell: &mut tell::Tell) -> Result<(), Failure> {
    acts::configure(stage, tell).await?;
    acts::again(stage, tell).await?;
    acts::crash(stage, tell).await?;
    acts::black_hole(stage, tell).await
}
