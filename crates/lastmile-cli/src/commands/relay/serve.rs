//! `relay serve` and `relay check-config`: from the configuration to a relay that runs.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lastmile_relay::{Relay as Server, RelayFolder, RunningRelay};
use serde_json::json;

use super::super::opened::{folder, runtime};
use super::super::refused::relay_error;
use super::super::written::writing;
use super::PUBLIC_URL;
use crate::args::Global;
use crate::args::relay::{CheckConfig, Configured, Serve};
use crate::config::check::{Finding, Level, contradiction, look};
use crate::config::{FILE, LogFormat, Origin, RelayConfig, Settings};
use crate::dirs::Holder;
use crate::error::{CliError, Exit};
use crate::logging;
use crate::messages::key;
use crate::output::{Column, Output, Table};

/// Reads file, environment and options, each above the one before.
fn settings(args: &Configured, place: &Path) -> Result<Settings, CliError> {
    let mut settings = Settings::default();
    let file = args.config.clone().unwrap_or_else(|| place.join(FILE));
    match std::fs::read_to_string(&file) {
        Ok(text) => settings.read_file(&file, &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && args.config.is_none() => {}
        Err(error) => return Err(CliError::reading(&file, error)),
    }
    let variables = std::env::vars_os();
    settings.read_environment(
        variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    );
    settings.read_words(&args.set);
    let mut set = |name: &str, option: &'static str, value: Vec<String>| {
        if !value.is_empty() {
            settings.set(name, value, Origin::Option(option));
        }
    };
    let texts = |value: &Option<PathBuf>| value.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    set("listen", "--listen", args.listen.iter().map(ToString::to_string).collect());
    set("proxies", "--proxy", args.proxy.iter().map(ToString::to_string).collect());
    set("public_url", "--public-url", args.public_url.iter().cloned().collect());
    set("tls.certificate", "--tls-certificate", texts(&args.tls_certificate));
    set("tls.key", "--tls-key", texts(&args.tls_key));
    set("tls.names", "--tls-name", args.tls_name.clone());
    set("metrics.listen", "--metrics", args.metrics.iter().cloned().collect());
    set("limits.connections", "--max-connections", args.max_connections.iter().map(ToString::to_string).collect());
    let per_address = args.max_per_address.iter().map(ToString::to_string).collect();
    set("limits.connections_per_address", "--max-per-address", per_address);
    Ok(settings)
}

/// The configuration in force, or everything that is wrong with it.
fn config(settings: &Settings, output: &Output) -> Result<RelayConfig, CliError> {
    let messages = output.messages();
    if !settings.mistakes.is_empty() {
        let said: Vec<String> = settings.mistakes.iter().map(|mistake| mistake.say(messages)).collect();
        return Err(CliError::new(Exit::Usage, key!("config.bad"))
            .with("mistakes", said.join("\n  "))
            .cure(key!("config.cure")));
    }
    RelayConfig::of(settings)
        .map_err(|why| CliError::new(Exit::Usage, contradiction(why)).cure(key!("relay.cure.not_loopback")))
}

/// Runs `relay serve`.
pub(super) fn serve(args: &Serve, global: &Global, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let failed = |error| relay_error(error, language);
    let place = folder(&args.configured.data, Holder::Relay)?;
    let config = config(&settings(&args.configured, &place)?, output)?;
    logging::start_service(
        global.verbose,
        output.colours_errors(),
        &config.log_level,
        config.log_format == LogFormat::Json,
    );
    logging::name_panics_by_place();
    let folder = RelayFolder::open_or_create(&place, &config.options()).map_err(failed)?;
    if let Some(url) = &config.serving.url {
        let file = place.join(PUBLIC_URL);
        std::fs::write(&file, url).map_err(|error| writing(&file, error))?;
    }
    runtime()?.block_on(async {
        let mut relay = Server::serve(folder, config.serving.clone()).await.map_err(failed)?;
        let announced = announce(&relay, args, &place, output);
        let broken = match announced {
            Ok(()) => until_told(&mut relay).await,
            Err(_) => Ok(()),
        };
        output.note::<&str>(key!("relay.stops"), &[]);
        let connections = relay.connections();
        let stopped = relay.stop().await;
        let cut = connections.load().cut;
        if cut > 0 {
            output.note(key!("relay.cut"), &[("count", cut.to_string())]);
        }
        announced?;
        broken.and(stopped).map_err(failed)
    })?;
    output.note::<&str>(key!("relay.stopped"), &[]);
    Ok(Exit::Done)
}

/// Says where the relay listens, once it does.
fn announce(relay: &RunningRelay, args: &Serve, place: &Path, output: &mut Output) -> Result<(), CliError> {
    if let Some(file) = &args.address_file {
        std::fs::write(file, relay.addr().to_string()).map_err(|error| writing(file, error))?;
    }
    output.json_line(&json!({
        "address": relay.addr().to_string(),
        "url": relay.url(),
        "metrics": relay.metrics_addr().map(|addr| addr.to_string()),
        "folder": place,
        "epoch": relay.epoch().to_string(),
    }))?;
    let said = [("url", relay.url()), ("folder", place.display().to_string())];
    output.say(key!("relay.serves"), &said)?;
    output.flush()?;
    output.note::<&str>(key!("relay.how_to_stop"), &[]);
    Ok(())
}

/// Serves until Ctrl-C, the word of a service manager, or a broken socket; SIGHUP reads certificates again.
async fn until_told(relay: &mut RunningRelay) -> Result<(), lastmile_relay::RelayError> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut terminate), Ok(mut hang_up)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) {
            loop {
                tokio::select! {
                    broken = relay.broken() => return broken,
                    _ = tokio::signal::ctrl_c() => return Ok(()),
                    _ = terminate.recv() => return Ok(()),
                    _ = hang_up.recv() => relay.reload(),
                }
            }
        }
    }
    tokio::select! {
        broken = relay.broken() => broken,
        // Where no handler can be had, the system ends the program itself.
        caught = tokio::signal::ctrl_c() => match caught {
            Ok(()) => Ok(()),
            Err(_) => std::future::pending().await,
        },
    }
}

/// Runs `relay check-config`: what is in force and who said so, and whether it would do.
pub(super) fn check_config(args: &CheckConfig, output: &mut Output) -> Result<Exit, CliError> {
    let place = folder(&args.configured.data, Holder::Relay)?;
    let settings = settings(&args.configured, &place)?;
    let messages = output.messages();
    let error = |text| Finding { level: Level::Error, text };
    let mut findings: Vec<Finding> = settings.mistakes.iter().map(|mistake| error(mistake.say(messages))).collect();
    match RelayConfig::of(&settings) {
        Ok(config) => findings.extend(look(&config.serving, &place, now_ms(), messages)),
        Err(why) => findings.push(error(messages.plain(contradiction(why)))),
    }
    let mut table = Table::new(vec![
        Column::text(messages.plain(key!("config.key"))),
        Column::text(messages.plain(key!("config.value"))),
        Column::text(messages.plain(key!("config.from"))),
    ]);
    for (spec, set) in settings.iter() {
        table.row(vec![spec.name.into(), set.value.join(", ").into(), set.origin.to_string().into()]);
    }
    output.table(&table)?;
    output.gap()?;
    for finding in &findings {
        let key = match finding.level {
            Level::Ok => key!("config.finding.ok"),
            Level::Warning => key!("config.finding.warning"),
            Level::Error => key!("config.finding.error"),
        };
        output.say(key, &[("text", &finding.text)])?;
    }
    let rows: Vec<_> = settings
        .iter()
        .map(|(spec, set)| json!({"key": spec.name, "value": set.value, "from": set.origin.to_string()}))
        .collect();
    output.json(&json!({"folder": place, "settings": rows, "findings": findings}))?;
    let bad = findings.iter().any(|finding| finding.level == Level::Error);
    Ok(if bad { Exit::Usage } else { Exit::Done })
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
