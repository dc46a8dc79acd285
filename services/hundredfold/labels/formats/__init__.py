"""The formats of exports and imports, by the name they have in the API. A new one is a file and a line here."""

from collections.abc import Mapping

from hundredfold.labels.formats.base import Format
from hundredfold.labels.formats.csv_file import CSVFile
from hundredfold.labels.formats.imagenet import ImageNet
from hundredfold.labels.formats.jsonl_file import JSONLFile
from hundredfold.labels.formats.parquet_file import ParquetFile

FORMATS: Mapping[str, Format] = {
    "CSV": CSVFile(),
    "JSONL": JSONLFile(),
    "PARQUET": ParquetFile(),
    "IMAGENET": ImageNet(),
}
