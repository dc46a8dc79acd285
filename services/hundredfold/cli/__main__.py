"""`hundredfold`: start the system, bring images in, look at the work, take labels out."""

import sys

import click

from hundredfold import __version__
from hundredfold.chassis.errors import InvalidArgument, ServiceError, Unavailable
from hundredfold.cli import (
    bench,
    certify,
    collections,
    duplicates,
    gaps,
    search,
    serve,
    simulate,
    status,
    up,
    users,
    vectors,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def hundredfold() -> None:
    """Label very large image collections with few people."""


for _command in (
    up.up,
    serve.serve,
    collections.ingest,
    collections.bootstrap,
    status.status,
    certify.certify,
    certify.clusters,
    collections.runs,
    collections.export,
    collections.import_,
    vectors.import_vectors,
    duplicates.duplicates,
    search.search,
    gaps.gaps,
    simulate.simulate,
    bench.bench,
    users.users,
):
    hundredfold.add_command(_command)


def main() -> int:
    """Run the command; 0 = done, 1 = failed, 2 = wrong usage."""
    try:
        hundredfold.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return 1
    except ServiceError as error:
        click.echo(f"Error: {error.message} [{error.code} {error.reason}]", err=True)
        if (
            error.reason == Unavailable.default_reason
        ):  # gRPC's own: nobody was there to give another
            click.echo("Is the system running? `hundredfold up` starts it.", err=True)
        return 2 if isinstance(error, InvalidArgument) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
