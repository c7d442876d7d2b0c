FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/towpath
WORKDIR /src
COPY requirements.lock ./
RUN /opt/towpath/bin/pip install --require-hashes -r requirements.lock
COPY . .
RUN /opt/towpath/bin/pip install --no-deps --no-build-isolation .

FROM python:3.13-slim
ENV PATH=/opt/towpath/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TOWPATH_DATA_DIR=/var/lib/towpath
RUN useradd --system --uid 10001 --home-dir /var/lib/towpath --create-home towpath
COPY --from=build /opt/towpath /opt/towpath
COPY deploy/rabbitmq/users.py /opt/towpath/share/rabbitmq_users.py
USER towpath
WORKDIR /var/lib/towpath
VOLUME /var/lib/towpath
EXPOSE 8000
ENTRYPOINT ["towpath"]
