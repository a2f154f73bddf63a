"""A monitor of the tests: what a page of numbers says."""

from prometheus_client.parser import text_string_to_metric_families


class Numbers:
    """The numbers of one scrape."""

    def __init__(self, text: str) -> None:
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name which have these labels."""
        return sum(s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items())

    def labels(self) -> set[tuple[str, str]]:
        return {(name, value) for sample in self.samples for name, value in sample.labels.items()}

    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}
