"""es_mappings/kibana.json, a description to read and edit -> es_mappings/kibana.ndjson, what Kibana imports.

    python scripts/kibana_objects.py           # writes it
    python scripts/kibana_objects.py --check   # exit code 1 where the file is not current

Objects are written at the oldest version of their types that this program supports: Kibana brings older
objects up to date on import and refuses newer ones.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "es_mappings"
CORE_VERSION = "8.8.0"
TYPE_VERSIONS = {"index-pattern": "8.0.0", "search": "10.5.0", "lens": "8.9.0", "dashboard": "10.3.0"}
LAYER, COUNT = "layer", "count"

Json = dict[str, Any]


def saved_objects(description: Mapping[str, Any]) -> Iterator[Json]:
    """Every object, those that others refer to first."""
    yield _data_view(description)
    yield _search(description)
    yield from (_lens(description, panel) for panel in description["panels"] if panel["chart"] != "search")
    yield _dashboard(description)


def _object(kind: str, object_id: str, attributes: Json, references: list[Json]) -> Json:
    return {
        "id": object_id,
        "type": kind,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": TYPE_VERSIONS[kind],
        "managed": False,
    }


def _string(value: Any) -> str:
    """JSON inside JSON, as Kibana keeps state that it does not search."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _kuery(text: str = "") -> Json:
    return {"query": text, "language": "kuery"}


def _to_data_view(description: Mapping[str, Any], name: str) -> Json:
    return {"name": name, "type": "index-pattern", "id": f"{description['index']}-data-view"}


def _data_view(description: Mapping[str, Any]) -> Json:
    thumbnail = description["data_view"]["thumbnail"]
    picture = {
        "type": "img",
        "urlTemplate": "{{rawValue}}",
        "width": str(thumbnail["width"]),
        "height": str(thumbnail["height"]),
    }
    attributes = {
        # The alias alone: with a wildcard, an index that is being built would be counted as well.
        "title": description["index"],
        "name": description["data_view"]["title"],
        "timeFieldName": description["time"],
        "fieldFormatMap": _string({thumbnail["field"]: {"id": "url", "params": picture}}),
    }
    return _object("index-pattern", f"{description['index']}-data-view", attributes, [])


def _search(description: Mapping[str, Any]) -> Json:
    place = "kibanaSavedObjectMeta.searchSourceJSON.index"
    source = {"query": _kuery(), "filter": [], "indexRefName": place}
    attributes = {
        "title": description["search"]["title"],
        "description": "",
        "columns": description["search"]["columns"],
        "sort": [[description["time"], "desc"]],
        "grid": {},
        "hideChart": True,
        "isTextBasedQuery": False,
        "rowHeight": -1,  # as high as the photo
        "timeRestore": True,
        "timeRange": {"from": description["since"], "to": "now"},
        "kibanaSavedObjectMeta": {"searchSourceJSON": _string(source)},
    }
    return _object(
        "search", f"{description['index']}-search", attributes, [_to_data_view(description, place)]
    )


def _lens(description: Mapping[str, Any], panel: Mapping[str, Any]) -> Json:
    columns = _columns(panel)
    layer = {"columnOrder": list(columns), "columns": columns, "incompleteColumns": {}, "sampling": 1}
    kind, visualization = _visualization(panel, columns)
    attributes = {
        "title": panel["title"],
        "description": "",
        "visualizationType": kind,
        "state": {
            "visualization": visualization,
            "query": _kuery(panel.get("query", "")),
            "filters": [],
            "datasourceStates": {"formBased": {"layers": {LAYER: layer}}},
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }
    reference = _to_data_view(description, f"indexpattern-datasource-layer-{LAYER}")
    return _object("lens", f"{description['index']}-{panel['id']}", attributes, [reference])


def _columns(panel: Mapping[str, Any]) -> Json:
    """Buckets first, then what is counted in each; ids are the keys that `_visualization` refers to."""
    columns: Json = {}
    if "split" in panel:
        columns["split"] = _terms(panel["split"], panel["top"])
    if (axis := _axis(panel)) is not None:
        columns["by"] = axis
    if panel.get("cumulative"):
        columns["sum"] = _measure("cumulative_sum", "Captions in all", references=[COUNT], params={})
    columns[COUNT] = _counted(panel)
    return columns


def _axis(panel: Mapping[str, Any]) -> Json | None:
    """The buckets that stand side by side."""
    if "by" in panel:
        return _terms(panel["by"], panel["top"])
    if "over_time" in panel:
        params = {"interval": "auto", "includeEmptyRows": True, "dropPartials": False}
        return _bucket("date_histogram", panel["over_time"], "date", "interval", params)
    if "histogram" in panel:
        # An interval of 1: a caption has a whole number of tokens.
        everything = {"from": 0, "to": 1000, "label": ""}
        params = {"type": "histogram", "ranges": [everything], "maxBars": "auto", "includeEmptyRows": True}
        return _bucket("range", panel["histogram"], "number", "interval", params)
    return None


def _counted(panel: Mapping[str, Any]) -> Json:
    if "distinct" in panel:
        return _measure("unique_count", panel["title"], sourceField=panel["distinct"], params={})
    return _measure("count", "Captions", sourceField="___records___", params={"emptyAsNull": False})


def _terms(field: str, top: int) -> Json:
    params = {
        "size": top,
        "orderBy": {"type": "column", "columnId": COUNT},
        "orderDirection": "desc",
        "otherBucket": False,
        "missingBucket": False,
        "parentFormat": {"id": "terms"},
        "include": [],
        "exclude": [],
        "includeIsRegex": False,
        "excludeIsRegex": False,
    }
    return _bucket("terms", field, "string", "ordinal", params)


def _bucket(operation: str, field: str, data_type: str, scale: str, params: Json) -> Json:
    return {
        "label": field,
        "dataType": data_type,
        "operationType": operation,
        "sourceField": field,
        "isBucketed": True,
        "scale": scale,
        "params": params,
    }


def _measure(operation: str, label: str, **rest: Any) -> Json:
    return {
        "label": label,
        "customLabel": True,
        "dataType": "number",
        "operationType": operation,
        "isBucketed": False,
        "scale": "ratio",
        **rest,
    }


def _visualization(panel: Mapping[str, Any], columns: Mapping[str, Any]) -> tuple[str, Json]:
    """Kibana's name of the kind of chart, and its state."""
    layer: Json = {"layerId": LAYER, "layerType": "data"}
    if panel["chart"] == "metric":
        return "lnsMetric", {**layer, "metricAccessor": COUNT}
    if panel["chart"] == "table":
        return "lnsDatatable", {**layer, "columns": [{"columnId": name} for name in columns]}
    shown = "sum" if "sum" in columns else COUNT
    layer |= {"seriesType": panel["chart"], "xAccessor": "by", "accessors": [shown]}
    if "split" in columns:
        layer["splitAccessor"] = "split"
    return "lnsXY", {
        "legend": {"isVisible": "split" in columns, "position": "right"},
        "valueLabels": "hide",
        "preferredSeriesType": panel["chart"],
        "layers": [layer],
    }


def _dashboard(description: Mapping[str, Any]) -> Json:
    about, controls = description["dashboard"], description["dashboard"]["controls"]
    attributes = {
        "title": about["title"],
        "description": about["description"],
        "panelsJSON": _string([_panel(panel) for panel in description["panels"]]),
        "optionsJSON": _string({"useMargins": True, "hidePanelTitles": False, "syncColors": False}),
        "controlGroupInput": _controls(controls),
        # Without it, Kibana shows the last 15 minutes, which is nothing a day after a build.
        "timeRestore": True,
        "timeFrom": description["since"],
        "timeTo": "now",
        "refreshInterval": {"pause": True, "value": 60000},
        "kibanaSavedObjectMeta": {"searchSourceJSON": _string({"query": _kuery(), "filter": []})},
    }
    references = [_panel_reference(description, panel) for panel in description["panels"]]
    for control in controls:
        name = f"controlGroup_{control['field']}:optionsListDataView"
        references.append(_to_data_view(description, name))
    return _object("dashboard", f"{description['index']}-dashboard", attributes, references)


def _panel_reference(description: Mapping[str, Any], panel: Mapping[str, Any]) -> Json:
    shown = "search" if panel["chart"] == "search" else panel["id"]
    return {
        "name": f"{panel['id']}:panel_{panel['id']}",
        "type": _panel_type(panel),
        "id": f"{description['index']}-{shown}",
    }


def _panel_type(panel: Mapping[str, Any]) -> str:
    return "search" if panel["chart"] == "search" else "lens"


def _panel(panel: Mapping[str, Any]) -> Json:
    place = dict(zip("xywh", panel["place"], strict=True))
    return {
        "type": _panel_type(panel),
        "panelIndex": panel["id"],
        "panelRefName": f"panel_{panel['id']}",
        "gridData": {**place, "i": panel["id"]},
        "embeddableConfig": {"enhancements": {}},
    }


def _controls(controls: list[Json]) -> Json:
    panels = {
        control["field"]: {
            "order": order,
            "width": "medium",
            "grow": True,
            "type": "optionsListControl",
            "explicitInput": {
                "id": control["field"],
                "fieldName": control["field"],
                "title": control["title"],
                "singleSelect": False,
            },
        }
        for order, control in enumerate(controls)
    }
    ignored = {"ignoreFilters": False, "ignoreQuery": False, "ignoreTimerange": False}
    return {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "panelsJSON": _string(panels),
        "ignoreParentSettingsJSON": _string({**ignored, "ignoreValidations": False}),
    }


def ndjson(description: Mapping[str, Any]) -> str:
    """One object a line."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in saved_objects(description))


def main() -> int:
    made = ndjson(json.loads((FOLDER / "kibana.json").read_text(encoding="utf-8")))
    file = FOLDER / "kibana.ndjson"
    if sys.argv[1:] == ["--check"]:
        return int(not file.exists() or file.read_text(encoding="utf-8") != made)
    file.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
