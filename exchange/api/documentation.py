"""The OpenAPI document and its readable page; both are for everybody, they hold no data."""

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView


@extend_schema(exclude=True)
class SchemaView(SpectacularAPIView):
    """`?format=json` or by Accept; YAML by default."""

    authentication_classes = ()
    permission_classes = ()


@extend_schema(exclude=True)
class DocsView(SpectacularSwaggerSplitView):
    """Page and script apart, and styles in a file: it works under the strictest policy we send."""

    authentication_classes = ()
    permission_classes = ()
    url_name = "api:schema"
    template_name = "api/docs.html"
