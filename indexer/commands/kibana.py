"""`indexer kibana`: the dashboard into Kibana, or to stdout."""

from __future__ import annotations

import json

import click
from click.core import ParameterSource

from captioner.commands.bars import tell
from indexer.commands.index_option import named
from indexer.kibana import WRITTEN_FOR, import_objects, saved_objects
from indexer.urls import is_url


def of_elasticsearch(ctx: click.Context, option: click.Parameter, where: str | None) -> str | None:
    """Check that `--index` is a URL. A folder in CAPTION_INDEX is ignored: it is meant for other commands."""
    where = named(ctx, option, where)
    if where is None or is_url(where):
        return where
    if ctx.get_parameter_source("where") is ParameterSource.ENVIRONMENT:
        return None
    raise click.BadParameter(f"{where!r} is no index in Elasticsearch; name http[s]://HOST:9200/NAME.")


@click.command()
@click.option(
    "--import", "kibana_url", metavar="URL", help="Where Kibana is, for example http://localhost:5601"
)
@click.option(
    "--index",
    "where",
    callback=of_elasticsearch,
    envvar="CAPTION_INDEX",
    show_envvar=True,
    help="The Elasticsearch index that the objects are for; http://localhost:9200/captions without it.",
)
def kibana(kibana_url: str | None, where: str | None) -> None:
    """Import data view, saved search and dashboard.

    Without --import they are printed, for Kibana's own page of saved objects. Credentials come from the same
    environment variables as Elasticsearch's.
    """
    objects = saved_objects(_name(where))
    if kibana_url is None:
        for one in objects:
            click.echo(json.dumps(one, ensure_ascii=False))
        return
    imported = import_objects(kibana_url, objects)
    click.echo(f"{imported.objects} of {len(objects)} objects imported into {kibana_url}")
    for failure in imported.failures:
        tell(failure)
    if imported.failures:
        raise click.exceptions.Exit(1)
    dashboard = next(one["id"] for one in objects if one["type"] == "dashboard")
    click.echo(f"{kibana_url.rstrip('/')}/app/dashboards#/view/{dashboard}")


def _name(where: str | None) -> str:
    from indexer.elastic.connection import parse

    return WRITTEN_FOR if where is None else parse(where).name
