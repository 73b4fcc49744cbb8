from django.urls import path

from shop import reads, writes

urlpatterns = [
    path("login", writes.log_in),
    path("logout", writes.log_out),
    path("products", reads.products),
    path("products/<int:pk>", reads.product),
    path("products/<int:pk>/stock", reads.stock),
    path("search", reads.search),
    path("color/<str:color>", reads.by_color),
    path("tags", reads.tags),
    path("prices", reads.prices),
    path("customers", reads.customers),
    path("orders", reads.orders),
    path("orders/<int:pk>", reads.order),
    path("sales/<int:year>/<int:month>", reads.sales),
    path("best", reads.best_sellers),
    path("days", reads.days),
    path("export", reads.export),
    path("checkout", writes.checkout),
    path("orders/<int:pk>/cancel", writes.cancel),
    path("orders/<int:pk>/ship", writes.ship),
    path("products/<int:pk>/tag", writes.tag),
    path("products/<int:pk>/edit", writes.edit),
    path("profile", writes.profile),
    path("restock", writes.restock),
]
